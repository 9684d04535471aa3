//! A folder for one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use units::{Clock, MonotonicClock};

/// An empty folder below the system's temporary one; removed with all it holds when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes a folder whose name begins with `name`.
    ///
    /// # Panics
    /// When no folder can be made there.
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // The clock tells apart processes that were given the same number one after the other.
        let (process, now) = (process::id(), MonotonicClock.now().as_nanos());
        let unique = format!("{name}-{process}-{now}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        fs::create_dir_all(&path).expect("tests may write to the temporary folder");
        Self { path }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name` in the folder, whether there is such a file or not.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file, with the folders it needs; its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("tests may write to the temporary folder");
        }
        fs::write(&path, contents).expect("tests may write to the temporary folder");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind in the temporary folder is the system's to clean.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_lasts_as_long_as_its_owner() {
        let scratch = Scratch::new("scratch");
        let other = Scratch::new("scratch");
        assert_ne!(scratch.path(), other.path());
        let file = scratch.write("a/b.txt", "text");
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
        drop(scratch);
        assert!(!file.exists());
        assert!(other.path().is_dir());
    }
}
