"""The tabs of the detail pane: each makes a document of a transaction."""
