//! Tables that only our own paths show: bot packages and evidence.

use botswain_store::reader::Entity;
use rusqlite::Row;
use uuid::Uuid;

/// Bot packages without their bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packages;

/// Bot packages with their bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackageBytes;

/// A bot package as lists show it.
#[derive(Clone, Debug)]
pub(crate) struct PackageItem {
    pub(crate) digest: Vec<u8>,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) pushed_at: i64,
    pub(crate) size: i64,
}

/// What packages are searched by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PackageField {
    Digest,
    Name,
    Version,
}

const fn package_column(field: PackageField) -> &'static str {
    match field {
        PackageField::Digest => "digest",
        PackageField::Name => "name",
        PackageField::Version => "version",
    }
}

impl Entity for Packages {
    type Field = PackageField;
    type Item = PackageItem;
    const FROM: &'static str = "package";
    const COLUMNS: &'static str = "digest, name, version, pushed_at, length(bytes)";
    const UNIQUE: &'static [&'static str] = &["digest"];
    const WIDTH: usize = 5;

    fn column(field: PackageField) -> &'static str {
        package_column(field)
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<PackageItem> {
        Ok(PackageItem {
            digest: row.get(0)?,
            name: row.get(1)?,
            version: row.get(2)?,
            pushed_at: row.get(3)?,
            size: row.get(4)?,
        })
    }
}

impl Entity for PackageBytes {
    type Field = PackageField;
    type Item = Vec<u8>;
    const FROM: &'static str = "package";
    const COLUMNS: &'static str = "bytes";
    const UNIQUE: &'static [&'static str] = &["digest"];
    const WIDTH: usize = 1;

    fn column(field: PackageField) -> &'static str {
        package_column(field)
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Vec<u8>> {
        row.get(0)
    }
}

/// Evidence with the attempt and the instance that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence;

/// A piece of evidence as lists show it.
#[derive(Clone, Debug)]
pub(crate) struct EvidenceItem {
    pub(crate) attempt: Uuid,
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) size: i64,
    pub(crate) digest: Vec<u8>,
    pub(crate) at: i64,
    pub(crate) job: i64,
    pub(crate) root: i64,
    pub(crate) job_type: String,
}

/// What evidence is searched by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EvidenceField {
    Attempt,
    Job,
    Instance,
    Digest,
}

impl Entity for Evidence {
    type Field = EvidenceField;
    type Item = EvidenceItem;
    const FROM: &'static str =
        "evidence JOIN attempt ON attempt.part = evidence.part AND attempt.id = evidence.attempt";
    const COLUMNS: &'static str = "evidence.attempt, evidence.name, evidence.media_type, evidence.size, evidence.digest, evidence.at, \
                                   attempt.job, attempt.root, attempt.job_type";
    const UNIQUE: &'static [&'static str] = &["evidence.at", "evidence.attempt", "evidence.name"];
    const WIDTH: usize = 9;

    fn column(field: EvidenceField) -> &'static str {
        match field {
            EvidenceField::Attempt => "evidence.attempt",
            EvidenceField::Job => "attempt.job",
            EvidenceField::Instance => "attempt.root",
            EvidenceField::Digest => "evidence.digest",
        }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<EvidenceItem> {
        let attempt: Vec<u8> = row.get(0)?;
        Ok(EvidenceItem {
            attempt: Uuid::from_slice(&attempt).unwrap_or_default(),
            name: row.get(1)?,
            media_type: row.get(2)?,
            size: row.get(3)?,
            digest: row.get(4)?,
            at: row.get(5)?,
            job: row.get(6)?,
            root: row.get(7)?,
            job_type: row.get(8)?,
        })
    }
}
