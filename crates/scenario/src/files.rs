//! Files that a scenario names: who may open them, and what they held.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Opens the files that a scenario names.
pub trait FileAccess {
    /// The whole content of the file at `path`, as written in the scenario.
    ///
    /// # Errors
    /// When it may not or cannot be read.
    fn read(&mut self, path: &str) -> Result<Arc<[u8]>, FileError>;
}

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It lies outside the scenario's folder.
    #[error("it lies outside the scenario's folder")]
    Outside {
        /// The folder.
        folder: PathBuf,
    },
    /// It is no file, but a folder or a device.
    #[error("it is no regular file")]
    NotAFile,
    /// It is larger than any certificate.
    #[error("it has more than {} bytes", Folder::MAX_BYTES)]
    TooLarge,
    /// It did not come with the document.
    #[error("it did not come with the document")]
    NotSent,
    /// The system says no.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Opens files below one folder of this machine.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    allow_outside: bool,
}

impl Folder {
    /// Larger files are refused: nothing a scenario names today is near it.
    pub const MAX_BYTES: u64 = 1 << 20;

    /// Opens files below `root`, the scenario's folder; with `allow_outside` also elsewhere.
    pub fn new(root: impl Into<PathBuf>, allow_outside: bool) -> Self {
        let root = root.into();
        // The folder of `scenario.yaml` is the empty path.
        let root = if root.as_os_str().is_empty() { PathBuf::from(".") } else { root };
        Self { root, allow_outside }
    }
}

impl FileAccess for Folder {
    fn read(&mut self, path: &str) -> Result<Arc<[u8]>, FileError> {
        // Links are followed first: a link out of the folder is outside.
        let real = self.root.join(Path::new(path)).canonicalize()?;
        if !self.allow_outside && !real.starts_with(self.root.canonicalize()?) {
            return Err(FileError::Outside { folder: self.root.clone() });
        }
        if !real.metadata()?.is_file() {
            return Err(FileError::NotAFile);
        }
        let mut bytes = Vec::new();
        File::open(real)?.take(Self::MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > Self::MAX_BYTES { Err(FileError::TooLarge) } else { Ok(bytes.into()) }
    }
}

/// What the files that a scenario names held, by the path it names them by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    entries: BTreeMap<String, FileContent>,
}

/// The content of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileContent {
    /// SHA-256 of the bytes.
    pub digest: [u8; 32],
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

impl Files {
    /// Adds the content of the file at `path`.
    pub fn insert(&mut self, path: impl Into<String>, bytes: impl Into<Arc<[u8]>>) {
        let bytes = bytes.into();
        let digest = Sha256::digest(&bytes).into();
        self.entries.insert(path.into(), FileContent { digest, bytes });
    }

    /// The content of the file at `path`.
    pub fn content(&self, path: &str) -> Option<&FileContent> {
        self.entries.get(path)
    }

    /// All files by their path, in its order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &FileContent)> {
        self.entries.iter().map(|(path, content)| (path.as_str(), content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_outside_the_folder_are_opened_only_when_allowed() {
        // This crate's own folder has all it needs: a file below `src`, and one beside it.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut fenced = Folder::new(&folder, false);
        assert!(fenced.read("lib.rs").is_ok());
        assert!(matches!(fenced.read("../Cargo.toml"), Err(FileError::Outside { .. })));
        assert!(matches!(fenced.read("read"), Err(FileError::NotAFile)));
        assert!(matches!(fenced.read("missing.pem"), Err(FileError::Io(_))));
        assert!(Folder::new(&folder, true).read("../Cargo.toml").is_ok());
    }

    #[test]
    fn contents_are_kept_with_their_digest() {
        let mut files = Files::default();
        files.insert("a.pem", *b"abc");
        let content = files.content("a.pem").unwrap();
        assert_eq!(content.digest[..4], [0xBA, 0x78, 0x16, 0xBF]);
        assert_eq!(files.iter().count(), 1);
    }
}
