//! Request context, cancellation, in-flight table and structured errors. No engine, no unsafe.
