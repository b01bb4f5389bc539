//! Addresses: where a coordinator listens, and where plain text may go.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The coordinator's port for agents.
const PORT: u16 = 26_511;

/// `https://host:port`, or `http://` to this machine alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
    plaintext: bool,
}

/// A text that is no address of a coordinator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not of the form.
    #[error("{0:?} is no coordinator's address; write https://host:{PORT}")]
    Form(String),
    /// Plain text to another machine.
    #[error(
        "{0:?} would send plain text over a network; use https://, or a loopback address with --plaintext"
    )]
    Plaintext(String),
}

impl Address {
    /// The host's name or number.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// True where nothing is encrypted.
    pub fn is_plaintext(&self) -> bool {
        self.plaintext
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let form = || AddressError::Form(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        let plaintext = match scheme {
            "https" => false,
            "http" => true,
            _ => return Err(form()),
        };
        let rest = rest.trim_end_matches('/');
        if rest.contains(['/', '?', '#', '@', ' ']) {
            return Err(form());
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(form)?;
                (host, port.strip_prefix(':'))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        if host.is_empty() || host.len() > 253 {
            return Err(form());
        }
        let port = port.map_or(Ok(PORT), str::parse).map_err(|_| form())?;
        let loopback = host == "localhost"
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        if plaintext && !loopback {
            return Err(AddressError::Plaintext(text.to_owned()));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            plaintext,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.plaintext { "http" } else { "https" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = match text.parse::<Address>() {
            Ok(address) => address.to_string(),
            Err(AddressError::Form(_)) => "no address".to_owned(),
            Err(AddressError::Plaintext(_)) => "plain text".to_owned(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn plain_text_goes_to_this_machine_only() {
        check("https://plant.example:1234", "https://plant.example:1234");
        check("https://plant.example/", "https://plant.example:26511");
        check("https://[::1]:9", "https://[::1]:9");
        check("http://127.0.0.1:9", "http://127.0.0.1:9");
        check("http://localhost", "http://localhost:26511");
        check("http://plant.example:9", "plain text");
        check("http://127.0.0.1.evil.example", "plain text");
        check("plant.example", "no address");
        check("ftp://plant.example", "no address");
        check("https://a@b:1", "no address");
        check("https://a:port", "no address");
    }
}
