// SPDX-License-Identifier: Apache-2.0

//! The locks, signals and the clock of all that decides about requests and events.
//!
//! Here they are the ordinary ones. `rust/engine/loom` compiles the same sources with a file
//! of its own in this one's place, and tries the orders in which threads can meet.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize};
pub(crate) use std::thread::yield_now;
pub(crate) use std::time::Instant;

pub(crate) use parking_lot::{Mutex, RwLock};
pub(crate) use tokio::sync::Notify;
pub(crate) use tokio::sync::mpsc::UnboundedSender;
