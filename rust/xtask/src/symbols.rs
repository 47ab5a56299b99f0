// SPDX-License-Identifier: Apache-2.0

//! What the header declares, and what an object exports.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::{TaskResult, header};

/// The functions that the header declares.
pub(crate) fn declared(root: &Path) -> Result<BTreeSet<String>, String> {
    let header = std::fs::read_to_string(header::path(root)).map_err(|error| error.to_string())?;
    let names = header
        .lines()
        .filter(|line| !line.trim_start().starts_with(['*', '/', '#']))
        .filter_map(|line| {
            let (before, _) = line.split_once('(')?;
            let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_')? + 1;
            let name = &before[start..];
            (name.starts_with("otapb_") && !line.contains("typedef")).then(|| name.to_owned())
        })
        .collect();
    Ok(names)
}

pub(crate) fn check(root: &Path, object: &Path) -> TaskResult {
    let declared = declared(root)?;
    let exported = exported(object)?;
    if declared == exported {
        println!("{} functions declared and exported", declared.len());
        return Ok(());
    }
    let missing: Vec<_> = declared.difference(&exported).collect();
    let extra: Vec<_> = exported.difference(&declared).collect();
    Err(format!(
        "declared but not exported: {missing:?}; exported but not declared: {extra:?}"
    ))
}

fn exported(object: &Path) -> Result<BTreeSet<String>, String> {
    let output = Command::new("nm")
        .args(["--defined-only", "--extern-only", "--format=posix"])
        .arg(object)
        .output()
        .map_err(|error| format!("nm: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let names = String::from_utf8_lossy(&output.stdout);
    Ok(names
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect())
}
