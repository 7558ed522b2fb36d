"""Fine-tuning on a lab's own labels."""
