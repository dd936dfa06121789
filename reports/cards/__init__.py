"""Cards: what is behind one line of a table (`run_cards`), and the README of exported weights (`model_card`)."""
