//! The wire to chromedriver: plain HTTP/1.1 on the loopback, without proxies, TLS or a connection pool.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use thirtyfour::error::{WebDriverError, WebDriverResult};
use thirtyfour::session::http::{Body, HttpClient};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The most bytes of an answer: a screenshot of a large page in base64.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Talks to a chromedriver on this machine.
pub(crate) struct Loopback {
    pub(crate) port: u16,
}

impl HttpClient for Loopback {
    fn send<'s, 'b, 'f>(
        &'s self,
        request: Request<Body<'b>>,
    ) -> Pin<Box<dyn Future<Output = WebDriverResult<Response<Bytes>>> + Send + 'f>>
    where
        's: 'f,
        'b: 'f,
        Self: 'f,
    {
        Box::pin(async move { exchange(self.port, request).await })
    }

    fn new<'s, 'f>(&'s self) -> Pin<Box<dyn Future<Output = Arc<dyn HttpClient>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        let port = self.port;
        Box::pin(async move { Arc::new(Loopback { port }) as Arc<dyn HttpClient> })
    }
}

async fn exchange(port: u16, request: Request<Body<'_>>) -> WebDriverResult<Response<Bytes>> {
    let failed = |error: std::io::Error| {
        WebDriverError::RequestFailed(format!("chromedriver on port {port}: {error}"))
    };
    let body = match request.body() {
        Body::Empty => Vec::new(),
        Body::Json(value) => {
            serde_json::to_vec(value).map_err(|error| WebDriverError::Json(error.to_string()))?
        }
    };
    let path = request.uri().path();
    let mut message = format!(
        "{} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
        request.method(),
        body.len()
    )
    .into_bytes();
    message.extend_from_slice(&body);
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .map_err(failed)?;
    stream.write_all(&message).await.map_err(failed)?;
    // The driver may keep the connection open, so the answer ends where its length says.
    let mut answer = Vec::new();
    loop {
        if let Some(response) = parse(&answer) {
            return Ok(response);
        }
        let read = stream.read_buf(&mut answer).await.map_err(failed)?;
        if read == 0 || answer.len() > ANSWER_BYTES_MAX {
            return Err(WebDriverError::RequestFailed(format!(
                "chromedriver on port {port} cut its answer"
            )));
        }
    }
}

fn parse(answer: &[u8]) -> Option<Response<Bytes>> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())?;
    let body = answer[end + 4..].get(..length)?;
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Bytes::copy_from_slice(body))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_cut_is_no_answer() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(parse(whole).unwrap().body().as_ref(), b"abc");
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_none(), "cut at {end}");
        }
        assert!(parse(b"HTTP/1.1 two OK\r\n\r\n").is_none());
    }
}
