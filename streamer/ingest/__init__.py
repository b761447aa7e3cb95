"""From events to rows: buffer, flusher, and the pipeline that feeds them."""
