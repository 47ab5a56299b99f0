//! What authors of otapbridge nodes depend on.
