"""Tables out of files that people made: CSV and XLSX, hostile until parsed. What the rows mean, others know."""
