"""What is looked at before an issue is sent: pure rules over the final mail, by noun, and what they are told from outside."""
