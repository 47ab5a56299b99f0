// SPDX-License-Identifier: Apache-2.0

//! Reading what the host lends for the length of a call.

use otapbridge_context::ProcessingError;

use crate::abi::{otapb_host_slice, otapb_slice};

impl otapb_slice {
    pub(crate) const EMPTY: Self = Self {
        data: std::ptr::null(),
        len: 0,
    };

    /// A view of `bytes`, whose lifetime the caller of the C function minds. An
    /// empty one is NULL: Rust's own pointer to nothing is a small number, which
    /// a garbage collector takes for a broken pointer.
    pub(crate) const fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::EMPTY;
        }
        Self {
            data: bytes.as_ptr(),
            len: bytes.len(),
        }
    }
}

/// A Configuration error about an argument.
pub(crate) fn wrong(argument: &str, message: impl Into<String>) -> ProcessingError {
    ProcessingError::configuration(message, Some(argument.to_owned()))
}

/// What an argument points to, or the error that it is NULL.
pub(crate) fn not_null<T>(argument: Option<T>, name: &str) -> Result<T, ProcessingError> {
    argument.ok_or_else(|| wrong(name, "must not be NULL"))
}

/// The bytes of an address and a length.
///
/// # Safety
/// `data` is NULL or valid for reads of `len` bytes for as long as the result is used.
pub(crate) unsafe fn bytes<'a>(
    data: *const u8,
    len: usize,
    name: &str,
) -> Result<&'a [u8], ProcessingError> {
    match (data.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(wrong(
            name,
            format!("must not be NULL with a length of {len}"),
        )),
        (false, _) if len > isize::MAX as usize => {
            Err(wrong(name, format!("{len} bytes is no length")))
        }
        // SAFETY: as promised by the caller; not NULL, and no longer than an
        // allocation can be.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(data, len) }),
    }
}

/// The bytes of a host's slice.
///
/// # Safety
/// Its address is 0 or valid for reads of its length for as long as the result is used.
pub(crate) unsafe fn borrowed<'a>(
    slice: otapb_host_slice,
    name: &str,
) -> Result<&'a [u8], ProcessingError> {
    let address = usize::try_from(slice.address).map_err(|_| wrong(name, "is no address"))?;
    let len = usize::try_from(slice.len).map_err(|_| wrong(name, "is too long"))?;
    // SAFETY: as promised by the caller.
    unsafe { bytes(std::ptr::with_exposed_provenance(address), len, name) }
}

/// A struct that starts with its size, of which only what the size covers is
/// read; the rest is zero.
///
/// # Safety
/// `pointer` is NULL or valid for reads of as many bytes as its first field says.
pub(crate) unsafe fn read_sized<T: Pod>(
    pointer: *const T,
    name: &str,
) -> Result<T, ProcessingError> {
    if pointer.is_null() {
        return Err(wrong(name, "must not be NULL"));
    }
    // SAFETY: not NULL, and every such struct has at least its size.
    let size = unsafe { pointer.cast::<u32>().read() } as usize;
    if size < 2 * size_of::<u32>() {
        let message = format!(
            "is {size}: set it to the struct's size ({})",
            size_of::<T>()
        );
        return Err(wrong(&format!("{name}.size"), message));
    }
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: the source is valid for `size` bytes, the target for its own size,
    // and both are never the same memory. Any bytes make a `Pod`.
    unsafe {
        std::ptr::copy_nonoverlapping(
            pointer.cast::<u8>(),
            value.as_mut_ptr().cast::<u8>(),
            size.min(size_of::<T>()),
        );
        Ok(value.assume_init())
    }
}

/// A struct of integers: any bytes are a value of it.
///
/// # Safety
/// It has no field that is a reference, a pointer to be followed, or an enum,
/// and its first field is a `u32` with its size.
pub(crate) unsafe trait Pod: Copy {}

// SAFETY: integers only, `size` first.
unsafe impl Pod for crate::abi::otapb_host_error {}
// SAFETY: integers only, `size` first.
unsafe impl Pod for crate::abi::otapb_runtime_options {}
// SAFETY: integers only, `size` first.
unsafe impl Pod for crate::abi::otapb_component_options {}
