//! Tables that only our own paths show: bot packages, attempts and evidence.

use botswain_store::reader::Entity;
use botswain_store::rows::{AttemptOutcome, AttemptState, Happened, LegKind};
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

/// Attempts as lists show them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempts;

/// An attempt as lists show it.
#[derive(Clone, Debug)]
pub(crate) struct AttemptItem {
    pub(crate) id: Uuid,
    pub(crate) job: i64,
    pub(crate) root: i64,
    pub(crate) job_type: String,
    pub(crate) fence: i64,
    pub(crate) leg: Option<LegKind>,
    pub(crate) leg_name: String,
    pub(crate) holder: String,
    pub(crate) state: Option<AttemptState>,
    pub(crate) offered_at: i64,
    pub(crate) started_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) outcome: Option<AttemptOutcome>,
    pub(crate) message: Option<String>,
    pub(crate) warnings: Option<String>,
    pub(crate) happened: Option<Happened>,
}

/// What attempts are searched by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AttemptField {
    Id,
    Job,
    Instance,
    OfferedAt,
    Fence,
}

impl Entity for Attempts {
    type Field = AttemptField;
    type Item = AttemptItem;
    const FROM: &'static str = "attempt";
    const COLUMNS: &'static str = "id, job, root, job_type, fence, leg, leg_name, holder, state, offered_at, started_at, ended_at, \
                                   outcome, message, warnings, happened";
    const UNIQUE: &'static [&'static str] = &["part", "id"];
    const WIDTH: usize = 16;

    fn column(field: AttemptField) -> &'static str {
        match field {
            AttemptField::Id => "id",
            AttemptField::Job => "job",
            AttemptField::Instance => "root",
            AttemptField::OfferedAt => "offered_at",
            AttemptField::Fence => "fence",
        }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<AttemptItem> {
        let id: Vec<u8> = row.get(0)?;
        Ok(AttemptItem {
            id: Uuid::from_slice(&id).unwrap_or_default(),
            job: row.get(1)?,
            root: row.get(2)?,
            job_type: row.get(3)?,
            fence: row.get(4)?,
            leg: LegKind::from_code(row.get(5)?),
            leg_name: row.get(6)?,
            holder: row.get(7)?,
            state: AttemptState::from_code(row.get(8)?),
            offered_at: row.get(9)?,
            started_at: row.get(10)?,
            ended_at: row.get(11)?,
            outcome: row
                .get::<_, Option<i64>>(12)?
                .and_then(AttemptOutcome::from_code),
            message: row.get(13)?,
            warnings: row.get(14)?,
            happened: row.get::<_, Option<i64>>(15)?.and_then(Happened::from_code),
        })
    }
}
