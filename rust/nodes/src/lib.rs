//! otapbridge's own nodes: context_attributes and fault.
