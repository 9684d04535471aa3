//! Where the result goes: prepared before the run, so that a run is not made for a result that cannot be kept.
//!
//! A file is written under a temporary name beside its own, synced and renamed, and its folder synced: whoever sees
//! the name sees the whole result.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};

use control::RunId;

/// The folder that holds one folder per run.
pub(crate) const RESULTS_FOLDER: &str = "loadgen-results";

/// What the user wants done with the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Nothing.
    Nowhere,
    /// Standard output.
    Stdout,
    /// One file.
    File(PathBuf),
    /// A folder of the run's own below `loadgen-results`.
    Folder,
}

impl Destination {
    /// What `--no-out` and the value of `--out` (or of the file's `out`) mean.
    pub(crate) fn of(no_out: bool, out: Option<&str>) -> Self {
        match out {
            _ if no_out => Self::Nowhere,
            None => Self::Folder,
            Some("-") => Self::Stdout,
            Some(path) => Self::File(PathBuf::from(path)),
        }
    }
}

/// The result cannot be kept where the user wants it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {source}{hint}", path.display())]
pub(crate) struct OutputError {
    doing: &'static str,
    path: PathBuf,
    hint: &'static str,
    source: io::Error,
}

fn cannot(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OutputError {
    let path = path.to_owned();
    move |source| {
        let hint = match source.kind() {
            io::ErrorKind::NotFound => "; make its folder first, or choose another with --out FILE",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "; make room, or write elsewhere with --out FILE"
            }
            _ => "; choose another place with --out FILE, or --no-out",
        };
        OutputError { doing, path, hint, source }
    }
}

/// A place that is ready to take the result.
#[derive(Debug)]
pub(crate) struct Output {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Nowhere,
    Stdout,
    /// A device, pipe or socket: written as it is, for its name is not ours to replace.
    Special(PathBuf),
    File(Beside),
    Folder {
        files: Beside,
        /// The folder of all runs, which holds the link.
        base: PathBuf,
        name: String,
        /// Whether it has taken its result.
        kept: bool,
    },
}

/// A result and the manifest beside it.
#[derive(Debug)]
struct Beside {
    result: Pending,
    manifest: Pending,
}

/// A file that has, or will have, its temporary name.
#[derive(Debug)]
struct Pending {
    path: PathBuf,
    temporary: PathBuf,
}

impl Output {
    /// Makes `destination` ready for the run `run`, which starts at `start`; relative to `base`.
    ///
    /// # Errors
    /// When it cannot be written; nothing is left behind then.
    pub(crate) fn prepare(
        destination: &Destination,
        base: &Path,
        start: jiff::Timestamp,
        run: RunId,
    ) -> Result<Self, OutputError> {
        let place = match destination {
            Destination::Nowhere => Place::Nowhere,
            Destination::Stdout => Place::Stdout,
            Destination::File(path) => file_place(&base.join(path), run)?,
            Destination::Folder => {
                let base = base.join(RESULTS_FOLDER);
                let name = format!("{}-{}", start.strftime("%Y%m%dT%H%M%SZ"), run.short());
                let folder = base.join(&name);
                fs::create_dir_all(&folder).map_err(cannot("make the folder", &folder))?;
                let result = Pending::create(folder.join("result.json"), run).inspect_err(|_| {
                    let _ = fs::remove_dir(&folder);
                })?;
                let manifest = Pending::named(folder.join(MANIFEST), run);
                Place::Folder { files: Beside { result, manifest }, base, name, kept: false }
            }
        };
        Ok(Self { place })
    }

    /// Whether the result goes to standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self.place, Place::Stdout)
    }

    /// Writes the result, and beside it, where it is a file with a name of ours to give, what `manifest` says when it is told
    /// the result's name. Says where the result is now; nothing for standard output and nowhere. A manifest that cannot be
    /// written costs a warning.
    ///
    /// # Errors
    /// When the result cannot be written whole; the file's name is then as it was before.
    pub(crate) fn write(
        &mut self,
        result: &str,
        manifest: impl FnOnce(&str) -> String,
    ) -> Result<Option<PathBuf>, OutputError> {
        match &mut self.place {
            Place::Nowhere => Ok(None),
            Place::Stdout => {
                crate::console::print_to_stdout(result).map_err(cannot("write to", Path::new("stdout")))?;
                Ok(None)
            }
            Place::Special(path) => {
                let file = OpenOptions::new().write(true).open(&path);
                file.and_then(|mut file| file.write_all(result.as_bytes())).map_err(cannot("write", path))?;
                Ok(Some(path.clone()))
            }
            Place::File(files) => files.fill(result, manifest).map(Some),
            Place::Folder { files, base, name, kept } => {
                let path = files.fill(result, manifest)?;
                *kept = true;
                // A link that cannot be made (a file system without links) is a comfort less, not a lost result.
                if let Err(error) = point_latest(base, name) {
                    tracing::warn!("cannot point {} at the result: {error}", base.join(LATEST).display());
                }
                Ok(Some(path))
            }
        }
    }
}

/// A place that got no result leaves nothing behind.
impl Drop for Output {
    fn drop(&mut self) {
        match &self.place {
            Place::File(files) => drop(fs::remove_file(&files.result.temporary)),
            Place::Folder { files, kept: false, base, name } => {
                let _ = fs::remove_file(&files.result.temporary);
                let _ = fs::remove_dir(base.join(name));
            }
            Place::Nowhere | Place::Stdout | Place::Special(_) | Place::Folder { .. } => {}
        }
    }
}

fn file_place(path: &Path, run: RunId) -> Result<Place, OutputError> {
    let path = behind_links(path).map_err(cannot("write", path))?;
    match fs::metadata(&path).map(|meta| meta.file_type()) {
        Ok(kind) if kind.is_dir() => {
            let error = io::Error::from(io::ErrorKind::IsADirectory);
            Err(cannot("write", &path)(error))
        }
        Ok(kind) if kind.is_fifo() => Ok(Place::Special(path)),
        Ok(kind) if !kind.is_file() => {
            OpenOptions::new().write(true).open(&path).map_err(cannot("write", &path))?;
            Ok(Place::Special(path))
        }
        Ok(_) | Err(_) => {
            let manifest = Pending::named(path.with_extension(MANIFEST), run);
            Ok(Place::File(Beside { result: Pending::create(path, run)?, manifest }))
        }
    }
}

/// What `path` names when links are followed, also one to a file that is not there yet: renaming replaces the file and
/// not the link.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            // A link is relative to its folder; an absolute one replaces the whole path.
            Ok(named) => path = path.with_file_name("").join(named),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many links one after another"))
}

/// As many as Linux itself follows.
const MOST_LINKS: usize = 40;

impl Beside {
    /// Fills both; whoever sees the result sees its manifest, too. Returns the result's path.
    fn fill(&self, result: &str, manifest: impl FnOnce(&str) -> String) -> Result<PathBuf, OutputError> {
        let path = &self.result.path;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.result.fill(result)?;
        // Only when the result is whole: until then both are what they were before the run.
        let manifest = self.manifest.fill(&manifest(&name)).and_then(|()| self.manifest.publish());
        if let Err(error) = manifest {
            let _ = fs::remove_file(&self.manifest.temporary);
            tracing::warn!("there is no manifest beside the result: {error}");
        }
        self.result.publish()?;
        Ok(path.clone())
    }
}

impl Pending {
    /// A file that will be.
    fn named(path: PathBuf, run: RunId) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.{}.tmp", run.short()));
        Self { path, temporary }
    }

    fn create(path: PathBuf, run: RunId) -> Result<Self, OutputError> {
        let pending = Self::named(path, run);
        File::create(&pending.temporary).map_err(cannot("write", &pending.path))?;
        Ok(pending)
    }

    /// Writes it whole under its temporary name.
    fn fill(&self, content: &str) -> Result<(), OutputError> {
        let filled = File::create(&self.temporary).and_then(|mut file| {
            file.write_all(content.as_bytes())?;
            file.sync_all()
        });
        filled.map_err(cannot("write", &self.path))
    }

    /// Gives it its own name.
    fn publish(&self) -> Result<(), OutputError> {
        fs::rename(&self.temporary, &self.path).map_err(cannot("name", &self.path))?;
        let folder =
            self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(cannot("sync the folder of", &self.path))
    }
}

/// Points the link `latest` in `base` at the folder `name`, in one step.
fn point_latest(base: &Path, name: &str) -> io::Result<()> {
    let temporary = base.join(format!(".latest.{name}"));
    symlink(name, &temporary)?;
    fs::rename(&temporary, base.join(LATEST)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

const LATEST: &str = "latest";
/// The manifest's name in a folder of the run's own, and its extension beside one file.
const MANIFEST: &str = "run.json";

#[cfg(test)]
mod tests;
