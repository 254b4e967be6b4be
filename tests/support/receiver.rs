//! What takes traces and lineage over HTTP, or does not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 200.
    Takes,
    /// 500.
    Fails,
    /// 200, half a second later.
    TakesTime,
    /// Never.
    Hangs,
}

/// A request: its path, its headers in lower case, its body.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    pub headers: String,
    pub body: serde_json::Value,
}

/// A server that keeps what it was sent.
pub struct Receiver {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// Listens, for as long as the test's process lives.
    pub fn start(answer: Answer) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, received) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || while take(&stream, answer, &kept).is_some() {});
            }
        });
        Receiver { address, received }
    }

    /// All that came so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn take(mut stream: &TcpStream, answer: Answer, kept: &Mutex<Vec<Received>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|n| *n > 0)?;
    let mut headers = String::new();
    while !headers.ends_with("\r\n\r\n") && headers != "\r\n" {
        reader.read_line(&mut headers).ok().filter(|n| *n > 0)?;
    }
    let headers = headers.to_lowercase();
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.expect("a length")];
    reader.read_exact(&mut body).ok()?;
    if answer == Answer::Hangs {
        std::thread::sleep(std::time::Duration::from_secs(120));
        return None;
    }
    let body = serde_json::from_slice(&body).unwrap();
    kept.lock().unwrap().push(Received { path: first.split(' ').nth(1)?.to_owned(), headers, body });
    if answer == Answer::TakesTime {
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    let status = if answer == Answer::Fails { "500 Internal Server Error" } else { "200 OK" };
    stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}").as_bytes()).ok()
}
