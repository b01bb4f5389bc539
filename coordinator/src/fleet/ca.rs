//! The built-in certificate authority: made at the first start, it vouches for this coordinator and for its agents.

use super::enrolment::Csr;
use botswain_engine::event::Millis;
use botswain_proto::ids::{AgentId, Digest};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// How long an agent's certificate is good for.
const LEAF_DAYS: u64 = 90;
const SERVER_DAYS: u64 = 825;
const CA_DAYS: u64 = 3650;
/// Devices whose clocks are a little behind accept what was just issued.
const CLOCK_SLACK: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);
const CERT_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca.key";

/// Why the certificate authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// One of the two files is missing.
    #[error(
        "{0}: is missing, while its counterpart is there: restore it from a backup, or remove the whole folder and enrol every agent again"
    )]
    Half(PathBuf),
    /// Others can read the key.
    #[error("{0}: is readable by others: chmod 600, and consider the key known")]
    Open(PathBuf),
    /// A file does not hold what it should.
    #[error(
        "{path}: is damaged ({problem}): restore it from a backup, or remove the whole folder and enrol every agent again"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Issue(String),
}

impl From<rcgen::Error> for CaError {
    fn from(error: rcgen::Error) -> CaError {
        CaError::Issue(error.to_string())
    }
}

/// An agent's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Whose it is.
    pub agent: AgentId,
    /// The certificate and its issuer (PEM), leaf first.
    pub chain_pem: String,
    /// The issuer (PEM).
    pub ca_pem: String,
    /// Its number, in hexadecimal digits.
    pub serial: String,
    /// SHA-256 of the certificate (DER): by this it is admitted.
    pub fingerprint: Digest,
    /// When it ends.
    pub not_after: Millis,
}

/// The certificate authority.
pub struct Ca {
    der: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Ca {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

impl Ca {
    /// Reads the authority from its folder, or makes one there at the first start.
    ///
    /// # Errors
    /// Names the file, what is wrong with it, and what to do.
    pub fn open(folder: &Path, now: Millis) -> Result<Ca, CaError> {
        let (cert, key) = (folder.join(CERT_FILE), folder.join(KEY_FILE));
        match (cert.exists(), key.exists()) {
            (true, true) => Ca::read(&cert, &key),
            (false, false) => Ca::make(folder, &cert, &key, now),
            (true, false) => Err(CaError::Half(key)),
            (false, true) => Err(CaError::Half(cert)),
        }
    }

    fn read(cert: &Path, key: &Path) -> Result<Ca, CaError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| CaError::Io { path, error }
        };
        let damaged = |path: &Path, problem: &dyn ToString| CaError::Damaged {
            path: path.to_owned(),
            problem: problem.to_string(),
        };
        if fs::metadata(key).map_err(io(key))?.permissions().mode() & 0o077 != 0 {
            return Err(CaError::Open(key.to_owned()));
        }
        let pem = fs::read_to_string(cert).map_err(io(cert))?;
        let key_pem = fs::read_to_string(key).map_err(io(key))?;
        let pair = KeyPair::from_pem(&key_pem).map_err(|error| damaged(key, &error))?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| damaged(cert, &format!("{error:?}")))?;
        let issuer = Issuer::from_ca_cert_der(&der, pair).map_err(|error| damaged(cert, &error))?;
        Ok(Ca { der, pem, issuer })
    }

    fn make(folder: &Path, cert: &Path, key: &Path, now: Millis) -> Result<Ca, CaError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params("Botswain CA", now, CA_DAYS)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&pair)?;
        fs::create_dir_all(folder).map_err(|error| CaError::Io {
            path: folder.to_owned(),
            error,
        })?;
        // The key first: a start that is interrupted in between says so instead of making another authority.
        write_private(key, pair.serialize_pem().as_bytes())?;
        write_private(cert, certificate.pem().as_bytes())?;
        let sync = fs::File::open(folder).and_then(|folder| folder.sync_all());
        sync.map_err(|error| CaError::Io {
            path: folder.to_owned(),
            error,
        })?;
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Ok(Ca {
            der,
            pem,
            issuer: Issuer::new(params, pair),
        })
    }

    /// SHA-256 of the authority's certificate (DER), which every token carries.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// The authority's certificate (PEM).
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The authority's certificate.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// A certificate for this server, good for `names` (host names or addresses) and for this machine itself, with its
    /// chain. It is made at every start and never stored.
    ///
    /// # Errors
    /// A name is no host name.
    pub fn server(
        &self,
        names: &[String],
        now: Millis,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CaError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params("Botswain coordinator", now, SERVER_DAYS)?;
        for name in names
            .iter()
            .map(String::as_str)
            .chain(["localhost", "127.0.0.1", "::1"])
        {
            let name = match name.parse::<IpAddr>() {
                // Nobody connects to "any address".
                Ok(address) if address.is_unspecified() => continue,
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(
                    name.try_into()
                        .map_err(|_| CaError::Issue(format!("{name:?} is no host name")))?,
                ),
            };
            if !params.subject_alt_names.contains(&name) {
                params.subject_alt_names.push(name);
            }
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&pair, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.serialize_der()));
        Ok((vec![certificate.der().clone(), self.der.clone()], key))
    }

    /// A certificate for an agent. Of the request only the key is taken: who it is, and what it may do, is said here.
    ///
    /// # Errors
    /// The key is of a kind that cannot be certified.
    pub fn issue(&self, request: &Csr, agent: &AgentId, now: Millis) -> Result<Issued, CaError> {
        let mut params = params(agent.as_str(), now, LEAF_DAYS)?;
        let uri = format!("botswain://agent/{agent}");
        let uri = uri
            .as_str()
            .try_into()
            .map_err(|_| CaError::Issue(format!("{uri} is no URI")))?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let serial = params
            .serial_number
            .as_ref()
            .map(|serial| hex::encode(serial.to_bytes()))
            .unwrap_or_default();
        let not_after = now.saturating_add_unsigned(LEAF_DAYS * 86_400_000);
        let certificate: Certificate = params.signed_by(request.key(), &self.issuer)?;
        Ok(Issued {
            agent: agent.clone(),
            chain_pem: format!("{}{}", certificate.pem(), self.pem),
            ca_pem: self.pem.clone(),
            serial,
            fingerprint: Digest::of(certificate.der()),
            not_after,
        })
    }
}

fn params(name: &str, now: Millis, days: u64) -> Result<CertificateParams, CaError> {
    let mut serial = [0; 16];
    SystemRandom::new()
        .fill(&mut serial)
        .map_err(|_| CaError::Issue("the system gives no random numbers".to_owned()))?;
    // Positive, and of full length.
    serial[0] = serial[0] & 0x7f | 0x40;
    let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(now).unwrap_or(0));
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before =
        (now - CLOCK_SLACK.min(now.duration_since(UNIX_EPOCH).unwrap_or_default())).into();
    params.not_after = (now + DAY * u32::try_from(days).unwrap_or(u32::MAX)).into();
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<(), CaError> {
    let write = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| CaError::Io {
        path: path.to_owned(),
        error,
    })
}
