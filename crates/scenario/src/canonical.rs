//! The resolved document as canonical JSON, and the digests made of it.
//!
//! Canonical means: every default filled in, keys in a fixed order, no white space. It is itself a valid scenario
//! file and reads back as the same workload.

mod document;
mod step;
mod telemetry;

use sha2::{Digest, Sha256};

use crate::load::read_text;
use crate::{Diagnostics, Environment, FileAccess, FileError, Files, Workload};
use document::{FileDocument, Form};

/// A document that came over a wire is no workload.
#[derive(Debug, thiserror::Error)]
#[error("the resolved document is not valid: {}", diagnostics.iter().next().map_or("", |first| &first.message))]
pub struct CanonicalError {
    /// What is wrong with it.
    pub diagnostics: Diagnostics,
}

impl Workload {
    /// The resolved document: every default filled in, `${env.…}` expanded, secrets as references. It is itself a valid
    /// scenario file and reads back as this workload.
    pub fn to_canonical_json(&self) -> String {
        self.document(Form::Whole)
    }

    /// Reads what [`Workload::to_canonical_json`] wrote; opens no file, the contents come with it.
    ///
    /// # Errors
    /// When it is not valid or a file is missing.
    pub fn from_canonical_json(json: &str, files: &Files) -> Result<Self, Box<CanonicalError>> {
        let mut sent = SentFiles(files);
        let loaded = read_text("resolved document", json, &Environment::empty(), &mut sent);
        loaded.workload.ok_or_else(|| Box::new(CanonicalError { diagnostics: loaded.diagnostics }))
    }

    /// SHA-256 of what is tested: the resolved document and its files, without base URL, tags, secrets and output.
    /// Equal means "the same test".
    pub fn scenario_digest(&self, files: &Files) -> [u8; 32] {
        digest(&self.document(Form::Test), files)
    }

    /// SHA-256 of the whole resolved document and its files; of secrets only the names.
    pub fn config_digest(&self, files: &Files) -> [u8; 32] {
        digest(&self.document(Form::Whole), files)
    }

    fn document(&self, form: Form) -> String {
        serde_json::to_string(&FileDocument::new(self, form)).expect("a workload can be written as JSON")
    }
}

/// Hashes a document and, in the order of their paths, the digests of its files.
fn digest(document: &str, files: &Files) -> [u8; 32] {
    let mut hash = Sha256::new();
    // The length keeps the end of the document apart from the first file.
    hash.update((document.len() as u64).to_le_bytes());
    hash.update(document);
    for (path, content) in files.iter() {
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path);
        hash.update(content.digest);
    }
    hash.finalize().into()
}

/// Files that came with a document.
struct SentFiles<'a>(&'a Files);

impl FileAccess for SentFiles<'_> {
    fn read(&mut self, path: &str) -> Result<std::sync::Arc<[u8]>, FileError> {
        self.0.content(path).map(|content| content.bytes.clone()).ok_or(FileError::NotSent)
    }
}

#[cfg(test)]
mod tests;
