// SPDX-License-Identifier: Apache-2.0

//! Developer tasks: the header, the prelinked object, and what they export.
//!
//! Run by the Makefile. `prelink` and `symbols` work anywhere, for libraries of node
//! authors; `header` works in the repository's root or a folder below it.

#![forbid(unsafe_code)]

mod header;
mod prelink;
mod symbols;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: otapbridge-xtask TASK
  header [--check]                      write include/otapbridge.h, or fail if it has drifted
  prelink --lib ARCHIVE --out OBJECT    link the static library into one relocatable object
  symbols --object OBJECT               compare what the object exports with what the header declares
";

type TaskResult = Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> TaskResult {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["header"] => header::write(&root()?),
        ["header", "--check"] => header::check(&root()?),
        ["prelink", "--lib", lib, "--out", out] => prelink::prelink(lib.as_ref(), out.as_ref()),
        ["symbols", "--object", object] => symbols::check(object.as_ref()),
        ["--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.to_owned()),
    }
}

/// The repository: the nearest folder above with a `cbindgen.toml`.
fn root() -> Result<PathBuf, String> {
    let here = std::env::current_dir().map_err(|error| error.to_string())?;
    here.ancestors()
        .find(|folder| folder.join("cbindgen.toml").is_file())
        .map(PathBuf::from)
        .ok_or_else(|| "run this inside the repository: no cbindgen.toml above here".to_owned())
}
