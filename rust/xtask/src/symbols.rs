// SPDX-License-Identifier: Apache-2.0

//! What the header declares, and what an object exports.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::{TaskResult, header};

/// The functions that the header declares.
pub(crate) fn declared() -> BTreeSet<String> {
    header::TEXT
        .lines()
        .filter(|line| !line.trim_start().starts_with(['*', '/', '#']))
        .filter_map(|line| {
            let (before, _) = line.split_once('(')?;
            let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_')? + 1;
            let name = &before[start..];
            (name.starts_with("otapb_") && !line.contains("typedef")).then(|| name.to_owned())
        })
        .collect()
}

pub(crate) fn check(object: &Path) -> TaskResult {
    let declared = declared();
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

/// Fails unless `object`, made of a node library, is complete.
pub(crate) fn check_library(object: &Path) -> TaskResult {
    /// What `otapbridge_capi::library!` defines.
    const NODE_TYPES: &str = "otapbridge_library_node_types";
    let missing = declared().difference(&exported(object)?).next().cloned();
    if missing.is_none() && !names(object, "--undefined-only")?.contains(NODE_TYPES) {
        return Ok(());
    }
    Err(
        "the archive is no library of otapbridge: call `otapbridge_capi::library!` in its crate"
            .to_owned(),
    )
}

fn exported(object: &Path) -> Result<BTreeSet<String>, String> {
    names(object, "--defined-only")
}

/// The global symbols of one sort.
fn names(object: &Path, sort: &str) -> Result<BTreeSet<String>, String> {
    let output = Command::new("nm")
        .args([sort, "--extern-only", "--format=posix"])
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
