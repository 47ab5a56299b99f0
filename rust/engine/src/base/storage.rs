// SPDX-License-Identifier: Apache-2.0

//! Where nodes keep on disk what must outlive the process: each in a folder that no other
//! node, pipeline or process uses, and that is the same after a restart.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use otapbridge_context::Signal;

/// What a folder's place is made of, beside the configured path and the node's name.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    pub(crate) component: String,
    /// The component's signal, if it is exactly one.
    pub(crate) signal: Option<Signal>,
    /// The pipeline's number.
    pub(crate) number: usize,
    /// Pipelines that share what the configuration allows.
    pub(crate) shards: usize,
}

impl Storage {
    /// `<path>/<component>/<signal>/<node>`: it has a folder for each pipeline.
    pub(crate) fn node_folder(&self, path: &Path, node: &str) -> PathBuf {
        let signal = self.signal.map_or("any", |signal| signal.as_str());
        let component = if self.component.is_empty() {
            "unnamed"
        } else {
            &self.component
        };
        path.join(segment(component))
            .join(signal)
            .join(segment(node))
    }

    pub(crate) fn folder(&self, path: &Path, node: &str) -> PathBuf {
        self.node_folder(path, node).join(self.number.to_string())
    }
}

/// A name as one part of a path. Different names stay different.
fn segment(name: &str) -> String {
    use std::fmt::Write as _;
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => segment.push(byte as char),
            b'.' if !segment.is_empty() => segment.push('.'),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(segment, "%{byte:02X}");
            }
        }
    }
    segment
}

/// A folder that is this pipeline's alone, until this is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct FolderLock(#[expect(dead_code, reason = "kept for its lock")] File);

/// The lock file is never removed: otherwise one process could have the lock of the removed file, and
/// another that of a new file with the same name.
const LOCK_FILE: &str = ".lock";

impl FolderLock {
    /// Makes the folder if it is not there, and takes it.
    ///
    /// # Errors
    /// What is in the way.
    pub(crate) fn take(folder: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(folder).map_err(failed)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(LOCK_FILE))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(format!(
                "{} is in use. If this component is in several pipelines of one signal, give each pipeline a component of its own \
                 (otap/a, otap/b); if another process uses the folder, give each its own path",
                folder.display()
            )),
            Err(TryLockError::Error(error)) => {
                Err(format!("{} cannot be locked: {error}", folder.display()))
            }
        }
    }
}

/// Numbers of the folders below a node's that are not among the first `shards` and contain data
/// of the engine's durable buffer: those of pipelines that there were before.
pub(crate) fn former_pipelines(node_folder: &Path, shards: usize) -> io::Result<Vec<usize>> {
    let mut former = Vec::new();
    for folder in files(node_folder)? {
        let name = folder.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.parse::<usize>().ok());
        if let Some(number) = number.filter(|number| *number >= shards)
            && contains_data(&folder.join(ENGINE_FOLDER))?
        {
            former.push(number);
        }
    }
    former.sort_unstable();
    Ok(former)
}

/// The folder that the engine's durable buffer makes below its path: one for each of its
/// cores, of which a pipeline here is always the first.
pub(crate) const ENGINE_FOLDER: &str = "core_0";

/// Whether a folder of the engine's durable buffer contains data that may not have been acked:
/// finished segments, or a write-ahead log (WAL) that goes on behind what was put into segments.
///
/// The layout is quiver's (0.62): `segments/*.qseg`; `wal/quiver.wal` and `wal/quiver.wal.<n>`, whose
/// header has its size at byte 12 and the position of its first entry at byte 30; and
/// `wal/quiver.wal.cursor` with the position that was reached at byte 12.
pub(crate) fn contains_data(folder: &Path) -> io::Result<bool> {
    let is_finished = |file: &PathBuf| file.extension() == Some("qseg".as_ref());
    let segments = files(&folder.join("segments"))?;
    Ok(segments.iter().any(is_finished) || log_goes_on(folder)?)
}

/// Whether the log of such a folder contains data that are in no segment.
pub(crate) fn log_goes_on(folder: &Path) -> io::Result<bool> {
    const WAL: &str = "quiver.wal";
    const CURSOR: &str = "quiver.wal.cursor";
    let wal = folder.join("wal");
    let cursor = match read_head::<20>(&wal.join(CURSOR)) {
        Ok(head) => number(&head, 12),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        // Cut off: what was reached is not known.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
        Err(error) => return Err(error),
    };
    for file in files(&wal)? {
        let name = file.file_name().and_then(|name| name.to_str());
        let is_log = name.is_some_and(|name| {
            let number = name.strip_prefix("quiver.wal.");
            name == WAL || number.is_some_and(|n| n.bytes().all(|byte| byte.is_ascii_digit()))
        });
        if !is_log {
            continue;
        }
        let len = fs::metadata(&file)?.len();
        let head = match read_head::<38>(&file) {
            Ok(head) => head,
            // Not even a header.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(error) => return Err(error),
        };
        let header = u64::from(u16::from_le_bytes([head[12], head[13]]));
        let end = number(&head, 30).saturating_add(len.saturating_sub(header));
        if end > cursor {
            return Ok(true);
        }
    }
    Ok(false)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn read_head<const N: usize>(file: &Path) -> io::Result<[u8; N]> {
    let mut head = [0; N];
    File::open(file)?.read_exact(&mut head)?;
    Ok(head)
}

fn number(head: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&head[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_folders_that_differ() {
        let storage = |component: &str, signal| Storage {
            component: component.to_owned(),
            signal,
            number: 1,
            shards: 2,
        };
        let path = Path::new("/p");
        assert_eq!(
            storage("processors::otap/x", Some(Signal::Logs)).folder(path, "node"),
            Path::new("/p/processors%3A%3Aotap%2Fx/logs/node/1")
        );
        assert_eq!(
            storage("", None).folder(path, "../.."),
            Path::new("/p/unnamed/any/%2E.%2F../1")
        );
        assert_ne!(segment("a/b"), segment("a%2Fb"));
        assert_ne!(segment("ü"), segment("u"));
    }

    #[test]
    fn a_folder_is_taken_once() {
        let folder = std::env::temp_dir().join(format!("otapbridge-lock-{}", std::process::id()));
        let lock = FolderLock::take(&folder).expect("free");
        let error = FolderLock::take(&folder).expect_err("taken");
        assert!(error.contains("is in use"), "{error}");
        drop(lock);
        let _ = FolderLock::take(&folder).expect("free again");
        fs::remove_dir_all(&folder).expect("the folder");
    }
}
