"""Values become pictures: colours, contrast, figures, marks."""
