//! Evidence: the files an attempt leaves behind, until the coordinator has them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use botswain_proto::ids::{AttemptId, Digest};
use botswain_proto::limits::{EVIDENCE_FILES_MAX, EVIDENCE_MAX_BYTES};
use botswain_proto::message::EvidenceRef;

/// Most bytes of evidence that wait on the disk; the oldest goes first.
const WAITING_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The folder with one folder per attempt.
#[derive(Debug, Clone)]
pub struct Evidence {
    root: PathBuf,
}

/// The folders of one attempt.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Where it works.
    pub work: PathBuf,
    /// Where its evidence goes.
    pub files: PathBuf,
}

/// A file that the coordinator does not have yet.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The attempt it belongs to.
    pub attempt: AttemptId,
    /// Where it lies.
    pub path: PathBuf,
    /// What it is.
    pub file: EvidenceRef,
}

impl Evidence {
    /// Keeps evidence below a folder.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Makes the folders of an attempt; its working folder is empty.
    pub fn prepare(&self, attempt: AttemptId) -> io::Result<Folder> {
        let folder = Folder {
            work: self.work(attempt),
            files: self.files(attempt),
        };
        match fs::remove_dir_all(&folder.work) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder.work)?;
        builder.create(&folder.files)?;
        Ok(folder)
    }

    /// The working folder of an attempt.
    pub fn work(&self, attempt: AttemptId) -> PathBuf {
        self.root.join(attempt.to_string()).join("work")
    }

    fn files(&self, attempt: AttemptId) -> PathBuf {
        self.root.join(attempt.to_string()).join("evidence")
    }

    /// The evidence of an attempt so far.
    pub fn list(&self, attempt: AttemptId) -> io::Result<Vec<EvidenceRef>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.files(attempt))? {
            let entry = entry?;
            let size = entry.metadata()?.len();
            if !entry.file_type()?.is_file() || size > EVIDENCE_MAX_BYTES {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            found.push(EvidenceRef {
                media_type: media_type(&name).to_owned(),
                sha256: Digest::of(&fs::read(entry.path())?),
                size,
                name,
            });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.truncate(EVIDENCE_FILES_MAX);
        Ok(found)
    }

    /// All files that wait for an upload, oldest attempt first, without those of attempts that still run.
    pub fn waiting(&self, still_open: impl Fn(AttemptId) -> bool) -> Vec<Waiting> {
        let mut attempts: Vec<(SystemTime, AttemptId)> = fs::read_dir(&self.root)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let attempt: AttemptId = entry.file_name().to_str()?.parse().ok()?;
                let since = entry.metadata().and_then(|meta| meta.modified()).ok()?;
                (!still_open(attempt)).then_some((since, attempt))
            })
            .collect();
        attempts.sort();
        let mut waiting: Vec<Waiting> = Vec::new();
        for (_, attempt) in attempts {
            let files = self.list(attempt).unwrap_or_default();
            if files.is_empty() {
                let _ = fs::remove_dir_all(self.root.join(attempt.to_string()));
            }
            waiting.extend(files.into_iter().map(|file| Waiting {
                attempt,
                path: self.files(attempt).join(&file.name),
                file,
            }));
        }
        self.drop_oldest(&mut waiting);
        waiting
    }

    /// Evidence that nobody fetches must not fill the disk of the machine it describes.
    fn drop_oldest(&self, waiting: &mut Vec<Waiting>) {
        let mut total: u64 = waiting.iter().map(|file| file.file.size).sum();
        while total > WAITING_BYTES_MAX && !waiting.is_empty() {
            let oldest = waiting.remove(0);
            total -= oldest.file.size;
            tracing::warn!(attempt = %oldest.attempt, file = oldest.file.name, "dropped old evidence, because too much waits for the coordinator");
            self.done(&oldest);
        }
    }

    /// Forgets a file that the coordinator has.
    pub fn done(&self, waiting: &Waiting) {
        let _ = fs::remove_file(&waiting.path);
        // Only empty folders go.
        let _ = fs::remove_dir(self.files(waiting.attempt));
        let _ = fs::remove_dir(self.root.join(waiting.attempt.to_string()));
    }
}

/// A name for a file of evidence that is safe everywhere and tells its type.
pub fn file_name(wished: &str, media_type: &str) -> String {
    let mut name: String = wished
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => c,
            _ => '_',
        })
        .take(100)
        .collect();
    if name.is_empty() || name.starts_with('.') {
        name.insert(0, '_');
    }
    if Path::new(&name).extension().is_none() {
        name.push_str(match media_type {
            "image/png" => ".png",
            "image/jpeg" => ".jpg",
            "application/json" => ".json",
            "text/html" => ".html",
            _ => ".txt",
        });
    }
    name
}

fn media_type(name: &str) -> &'static str {
    match Path::new(name).extension().and_then(|end| end.to_str()) {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("json") => "application/json",
        Some("jsonl") => "application/x-ndjson",
        Some("html" | "htm") => "text/html",
        Some("txt" | "log" | "stdout" | "stderr") => "text/plain",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_waits_until_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let evidence = Evidence::new(folder.path().join("attempts"));
        let attempt: AttemptId = "0198c0de-0000-7000-8000-000000000001".parse().unwrap();
        let prepared = evidence.prepare(attempt).unwrap();
        fs::write(prepared.files.join("before-commit.png"), b"png").unwrap();
        fs::write(prepared.files.join("steps.jsonl"), b"{}\n").unwrap();
        fs::remove_dir_all(prepared.work).unwrap();
        assert!(evidence.waiting(|_| true).is_empty());
        let waiting = evidence.waiting(|_| false);
        let names: Vec<_> = waiting
            .iter()
            .map(|file| (file.file.name.as_str(), file.file.media_type.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("before-commit.png", "image/png"),
                ("steps.jsonl", "application/x-ndjson")
            ]
        );
        for file in &waiting {
            evidence.done(file);
        }
        assert!(
            !folder
                .path()
                .join("attempts")
                .join(attempt.to_string())
                .exists()
        );
    }

    #[test]
    fn a_files_name_never_leaves_its_folder() {
        assert_eq!(
            file_name("../../etc/passwd", "text/plain"),
            "_.._.._etc_passwd"
        );
        assert_eq!(file_name("", "image/png"), "_.png");
        assert_eq!(file_name("a b/ä.png", "image/png"), "a_b__.png");
    }
}
