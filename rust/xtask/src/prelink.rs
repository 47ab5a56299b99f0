// SPDX-License-Identifier: Apache-2.0

//! Links the static library into one object that any linker takes as it is.
//!
//! The engine registers its codecs in link-time slices, which a linker drops
//! unless it is told to keep every member of the archive; cgo cannot tell it.
//! Here it is done once, and everything but the API becomes local, with section
//! groups and unused symbols gone, so that two Rust libraries fit into one program.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::{TaskResult, symbols};

pub(crate) fn prelink(lib: &Path, out: &Path) -> TaskResult {
    let functions = symbols::declared();
    let whole = out.with_extension("whole.o");

    let mut link = Command::new("ld");
    let _ = link.args(["-r", "--gc-sections", "--force-group-allocation"]);
    for function in &functions {
        let _ = link.args(["-u", function]);
    }
    let _ = link.arg("--whole-archive").arg(lib).arg("-o").arg(&whole);
    run(&mut link)?;

    let mut localise = Command::new("objcopy");
    // The bitcode of the standard library serves nobody and trips binutils' plugin.
    let _ = localise.args([
        "--strip-unneeded",
        "--remove-section=.llvmbc",
        "--remove-section=.llvmcmd",
    ]);
    for function in &functions {
        let _ = localise.arg(format!("--keep-global-symbol={function}"));
    }
    // Written beside and renamed: an interrupted run leaves no half object.
    let mut unfinished = OsString::from(out);
    unfinished.push(".tmp");
    let _ = localise.arg(&whole).arg(&unfinished);
    let localised = run(&mut localise);
    let _ = std::fs::remove_file(&whole);
    let complete = localised.and_then(|()| symbols::check_library(Path::new(&unfinished)));
    if complete.is_err() {
        let _ = std::fs::remove_file(&unfinished);
        return complete;
    }
    std::fs::rename(&unfinished, out).map_err(|error| error.to_string())
}

fn run(command: &mut Command) -> TaskResult {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .map_err(|error| format!("{program}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{program} failed: {status}"))
    }
}
