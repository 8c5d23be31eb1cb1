"""CSV, YAML or XLSX in; cabinets and waves out, or every problem at once."""
