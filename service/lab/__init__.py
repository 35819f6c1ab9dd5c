"""What shows, measures and breaks the product: imported by the command line only."""
