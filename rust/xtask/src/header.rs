// SPDX-License-Identifier: Apache-2.0

//! Generates the C header from `rust/capi`.

use std::path::Path;

use crate::TaskResult;

/// The header as it was when this program was compiled, so that it prelinks and
/// checks libraries anywhere.
pub(crate) const TEXT: &str = include_str!("../../../include/otapbridge.h");

const PATH: &str = "include/otapbridge.h";

pub(crate) fn write(root: &Path) -> TaskResult {
    std::fs::write(root.join(PATH), generate(root)?).map_err(|error| error.to_string())
}

pub(crate) fn check(root: &Path) -> TaskResult {
    let checked_in = std::fs::read(root.join(PATH)).map_err(|error| error.to_string())?;
    if checked_in == generate(root)? {
        Ok(())
    } else {
        Err(format!(
            "{PATH} has drifted from rust/capi: run `make header` and commit it"
        ))
    }
}

fn generate(root: &Path) -> Result<Vec<u8>, String> {
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_crate(root.join("rust/capi"))
        .generate()
        .map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    Ok(text)
}
