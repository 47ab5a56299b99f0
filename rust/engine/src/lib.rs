//! Hosts otap-dataflow pipelines. The only crate that names otel-arrow-dfe-*.
