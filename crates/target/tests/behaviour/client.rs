//! A tiny blocking HTTP/1.1 client: one connection, whole responses.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) chunks: Vec<usize>,
    pub(crate) trailers: Vec<(String, String)>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.request("GET", target, "", "")
    }

    pub(crate) fn post(&mut self, target: &str, body: &str) -> Response {
        self.request("POST", target, "", body)
    }

    /// `headers` are whole lines, each with its line end.
    pub(crate) fn request(&mut self, method: &str, target: &str, headers: &str, body: &str) -> Response {
        self.send(method, target, headers, body);
        self.response(method).unwrap()
    }

    pub(crate) fn send(&mut self, method: &str, target: &str, headers: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: target\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
    }

    pub(crate) fn response(&mut self, method: &str) -> io::Result<Response> {
        let line = self.line()?;
        let status =
            line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or(io::ErrorKind::UnexpectedEof)?;
        let headers = self.fields()?;
        let mut response =
            Response { status, headers, body: Vec::new(), chunks: Vec::new(), trailers: Vec::new() };
        if response.header("transfer-encoding") == Some("chunked") {
            loop {
                let len = usize::from_str_radix(&self.line()?, 16).unwrap();
                if len == 0 {
                    response.trailers = self.fields()?;
                    return Ok(response);
                }
                response.chunks.push(len);
                self.append(&mut response.body, len)?;
                self.line()?;
            }
        }
        let len = response.header("content-length").map_or(0, |len| len.parse().unwrap());
        if method != "HEAD" && status != 204 && status != 304 {
            self.append(&mut response.body, len)?;
        }
        Ok(response)
    }

    /// What follows until the peer closes.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).map(|_| rest)
    }

    fn append(&mut self, body: &mut Vec<u8>, len: usize) -> io::Result<()> {
        let start = body.len();
        body.resize(start + len, 0);
        self.stream.read_exact(&mut body[start..])
    }

    fn fields(&mut self) -> io::Result<Vec<(String, String)>> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { return Ok(fields) };
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}
