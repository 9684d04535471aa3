//! What a worker needs to prepare, with contents named by digest.

use std::collections::BTreeMap;

use plan::Revision;

use super::field::{MAX_LINE, MAX_THREADS, Reader};
use super::{WireError, proto};
use crate::content::{ContentError, ContentStore, MAX_CONTENT_BYTES};
use crate::{ContentDigest, FileContent, Prepare};

/// The most files of a workload.
const MAX_FILES: usize = 1_024;
/// The most bytes that all contents of one workload may have: a worker holds them all.
const MAX_WORKLOAD_BYTES: u64 = 256 << 20;

/// A [`Prepare`] with its contents named by digest.
#[derive(Clone, Debug, PartialEq)]
pub struct PrepareRefs {
    /// The resolved workload.
    pub document: ContentRef,
    /// The files it names.
    pub files: Vec<FileRef>,
    /// The part of the run to carry.
    pub revision: Revision,
    /// Engine threads to use.
    pub threads: Option<u32>,
    /// Whether to check the machine first.
    pub preflight: bool,
}

/// A content by what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRef {
    /// Its SHA-256.
    pub digest: ContentDigest,
    /// How many bytes it has: no more is taken of whoever sends it.
    pub length: u64,
}

/// A file by its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRef {
    /// The path as the workload spells it: a name, never opened.
    pub path: String,
    /// Its content.
    pub content: ContentRef,
}

/// Why contents do not make a workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// A content is not there (any more): fetch it and try again.
    #[error("content {0} is not here; fetch it first")]
    Missing(ContentDigest),
    /// A content is not what was asked for.
    #[error("what was stored as content {0} has another digest or length")]
    NotIt(ContentDigest),
    /// The document is no text.
    #[error("the workload's document is not UTF-8")]
    NotText,
}

impl PrepareRefs {
    /// Names the contents of `prepare`, and puts them into `contents`.
    ///
    /// # Errors
    /// When `contents` has no room for them.
    pub fn of(prepare: &Prepare, contents: &dyn ContentStore) -> Result<Self, ContentError> {
        let put = |bytes| {
            let content = contents.put(bytes)?;
            Ok(ContentRef { digest: content.digest, length: content.bytes.len() as u64 })
        };
        let files = prepare.files.iter();
        let files =
            files.map(|file| Ok(FileRef { path: file.path.clone(), content: put(file.bytes.clone())? }));
        Ok(Self {
            document: put(prepare.document.as_bytes().into())?,
            files: files.collect::<Result<_, _>>()?,
            revision: prepare.revision.clone(),
            threads: prepare.threads,
            preflight: prepare.preflight,
        })
    }

    /// The contents it names, each once.
    pub fn contents(&self) -> Vec<ContentRef> {
        let files = self.files.iter().map(|file| file.content);
        let by_digest: BTreeMap<_, _> =
            files.chain([self.document]).map(|content| (content.digest, content)).collect();
        by_digest.into_values().collect()
    }

    /// The whole [`Prepare`].
    ///
    /// # Errors
    /// When a content is not in `contents`, or is not what its digest and length say.
    ///
    /// # Cost
    /// One SHA-256 of each content it names.
    pub fn assemble(&self, contents: &dyn ContentStore) -> Result<Prepare, AssembleError> {
        let mut verified = BTreeMap::new();
        for wanted in self.contents() {
            let bytes = contents.get(wanted.digest).ok_or(AssembleError::Missing(wanted.digest))?;
            if ContentDigest::of(&bytes) != wanted.digest || bytes.len() as u64 != wanted.length {
                return Err(AssembleError::NotIt(wanted.digest));
            }
            verified.insert(wanted.digest, bytes);
        }
        let get = |content: ContentRef| {
            verified.get(&content.digest).cloned().ok_or(AssembleError::Missing(content.digest))
        };
        let document =
            std::str::from_utf8(&get(self.document)?).map_err(|_| AssembleError::NotText)?.to_owned();
        let files = self.files.iter();
        let files = files.map(|file| Ok(FileContent { path: file.path.clone(), bytes: get(file.content)? }));
        Ok(Prepare {
            document,
            files: files.collect::<Result<_, _>>()?,
            revision: self.revision.clone(),
            threads: self.threads,
            preflight: self.preflight,
        })
    }
}

impl TryFrom<proto::Prepare> for PrepareRefs {
    type Error = WireError;

    fn try_from(prepare: proto::Prepare) -> Result<Self, WireError> {
        let of = Reader("Prepare");
        let file = |file: proto::FileRef| {
            let of = Reader("FileRef");
            let content = of.required("content", file.content)?.try_into()?;
            Ok(FileRef { path: of.name("path", file.path, MAX_LINE)?, content })
        };
        let files = of.at_most("files", prepare.files, MAX_FILES)?;
        let threads = prepare.threads;
        if let Some(threads) = threads {
            of.within("threads", threads.into(), 1, MAX_THREADS.into(), "")?;
        }
        let refs = Self {
            document: of.required("document", prepare.document)?.try_into()?,
            files: files.into_iter().map(file).collect::<Result<_, _>>()?,
            revision: of.required("revision", prepare.revision)?.try_into()?,
            threads,
            preflight: prepare.preflight,
        };
        // Each length is bounded and there are few, so the sum does not overflow.
        let all = refs.contents().iter().map(|content| content.length).sum();
        of.within("files", all, 0, MAX_WORKLOAD_BYTES, "bytes with the document")?;
        Ok(refs)
    }
}

impl From<&PrepareRefs> for proto::Prepare {
    fn from(refs: &PrepareRefs) -> Self {
        let file =
            |file: &FileRef| proto::FileRef { path: file.path.clone(), content: Some(file.content.into()) };
        Self {
            document: Some(refs.document.into()),
            files: refs.files.iter().map(file).collect(),
            revision: Some((&refs.revision).into()),
            threads: refs.threads,
            preflight: refs.preflight,
        }
    }
}

impl TryFrom<proto::ContentRef> for ContentRef {
    type Error = WireError;

    fn try_from(content: proto::ContentRef) -> Result<Self, WireError> {
        let of = Reader("ContentRef");
        let length = of.within("length", content.length, 0, MAX_CONTENT_BYTES, "bytes")?;
        Ok(Self { digest: of.digest(&content.digest)?, length })
    }
}

impl From<ContentRef> for proto::ContentRef {
    fn from(content: ContentRef) -> Self {
        Self { digest: content.digest.0.to_vec(), length: content.length }
    }
}

impl TryFrom<proto::FetchRequest> for ContentDigest {
    type Error = WireError;

    fn try_from(request: proto::FetchRequest) -> Result<Self, WireError> {
        Reader("FetchRequest").digest(&request.digest)
    }
}

impl From<ContentDigest> for proto::FetchRequest {
    fn from(digest: ContentDigest) -> Self {
        Self { digest: digest.0.to_vec() }
    }
}
