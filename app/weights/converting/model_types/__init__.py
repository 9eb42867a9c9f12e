"""What each family of models looks like on both sides: tensors, shapes, metadata."""
