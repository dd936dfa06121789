"""Tables that answer one question each, with a sentence that is said only where it is certain.

What does a spike cost (`ladder`)? Does width close the gap (`width`)? How far from its end is a training (`length`)?
Is training in bfloat16 the same training (`precision`)? What does the gradient through time buy (`temporal`)? What was
chosen on held-out images (`tuning`)? What is the cheapest run to an accuracy (`records`)? The variants that only answer
such a question stay out of all other tables (`trials`).
"""
