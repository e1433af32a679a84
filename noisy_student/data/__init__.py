"""Images on their way into the model: records, sources, pipelines."""
