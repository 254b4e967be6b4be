//! A wire between the program and its database, that can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Bytes behind which a COPY has brought rows to the database, and is not through.
const FIRST_ROWS: usize = 500_000;

#[derive(Default)]
struct Wire {
    /// Nobody gets through.
    is_down: AtomicBool,
    /// The next COPY stands still behind its first rows, and every connection with it.
    freeze_in_copy: AtomicBool,
    is_frozen: AtomicBool,
    /// The next COMMIT behind a COPY is passed on, and nothing after it.
    cut_at_commit: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

/// Passes everything on to the database until it is told not to.
pub struct Proxy {
    url: String,
    wire: Arc<Wire>,
}

impl Proxy {
    /// To the PostgreSQL database `url`.
    pub fn to(url: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (before, after) = url.split_once("://").unwrap();
        let (authority, path) = after.split_once('/').unwrap();
        let (user, place) = authority.rsplit_once('@').unwrap();
        let place = place.to_owned();
        let url = format!("{before}://{user}@{}/{path}", listener.local_addr().unwrap());
        let wire = Arc::new(Wire::default());
        let shared = Arc::clone(&wire);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.is_down.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&place) else { continue };
                shared.join(client, server);
            }
        });
        Proxy { url, wire }
    }

    /// The database, through this wire.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Cuts every connection, and lets nobody through from now on.
    pub fn cut(&self) {
        self.wire.is_down.store(true, Ordering::SeqCst);
        self.wire.cut();
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.wire.is_down.store(false, Ordering::SeqCst);
    }

    /// Cuts every connection right after the next COMMIT of copied rows was passed on: the program never hears what came of it.
    pub fn cut_at_commit(&self) {
        self.wire.cut_at_commit.store(true, Ordering::SeqCst);
    }

    /// Lets nothing through any more from the middle of the next COPY on, and yet every connection stays: as where a
    /// container is paused.
    pub fn freeze_in_copy(&self) {
        self.wire.freeze_in_copy.store(true, Ordering::SeqCst);
    }

    /// Whether that has happened.
    pub fn is_frozen(&self) -> bool {
        self.wire.is_frozen.load(Ordering::SeqCst)
    }

    /// Lets everything through again.
    pub fn thaw(&self) {
        self.wire.is_frozen.store(false, Ordering::SeqCst);
    }

    /// Whether [`Proxy::cut_at_commit`] has had its moment.
    pub fn has_cut(&self) -> bool {
        !self.wire.cut_at_commit.load(Ordering::SeqCst)
    }
}

impl Wire {
    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
            self.connections.lock().unwrap().push(stream.try_clone().unwrap());
        }
        let silent = Arc::new(AtomicBool::new(false));
        for (from, to, asks) in [(&client, &server, true), (&server, &client, false)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let (wire, silent) = (Arc::clone(self), Arc::clone(&silent));
            std::thread::spawn(move || wire.pass_on(from, to, asks, &silent));
        }
    }

    fn pass_on(&self, mut from: TcpStream, mut to: TcpStream, asks: bool, silent: &AtomicBool) {
        let mut buffer = vec![0; 1 << 16];
        let (mut copied, mut bytes_copied) = (false, 0);
        while let Ok(n) = from.read(&mut buffer) {
            let bytes = &buffer[..n];
            bytes_copied += if asks && copied { n } else { 0 };
            if bytes_copied > FIRST_ROWS && self.freeze_in_copy.swap(false, Ordering::SeqCst) {
                self.is_frozen.store(true, Ordering::SeqCst);
            }
            while self.is_frozen.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            copied |= asks && bytes.windows(5).any(|w| w == b"COPY ");
            let commits = copied && bytes.windows(7).any(|w| w == b"COMMIT\0");
            let cuts = commits && self.cut_at_commit.swap(false, Ordering::SeqCst);
            if cuts {
                silent.store(true, Ordering::SeqCst);
            }
            if n == 0 || !asks && silent.load(Ordering::SeqCst) || to.write_all(bytes).is_err() {
                break;
            }
            if cuts {
                // The server has the request; it is given the time to do what was asked.
                std::thread::sleep(Duration::from_millis(300));
                self.cut();
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }

    fn cut(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}
