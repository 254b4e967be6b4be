//! `/metrics`, `/healthz` and `/readyz` over HTTP, on a thread of their own.

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::monitor::Monitor;

/// Connections at once; more of them wait.
const CONNECTIONS: usize = 32;
/// A reader that takes longer is gone, or not worth the wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long [`probe`] waits for an answer.
const PROBE: Duration = Duration::from_secs(3);

/// The address is taken, or none of this machine's.
#[derive(Debug, thiserror::Error)]
#[error(
    "--http {address}: {reason}; choose another address or port (`--http 127.0.0.1:9465`), or end the process that has \
     it (`ss -ltnp` names it)"
)]
pub struct Refused {
    address: SocketAddr,
    reason: String,
}

/// An address that is listened at, and not yet served.
#[derive(Debug)]
pub struct HttpServer {
    runtime: tokio::runtime::Runtime,
    listener: TcpListener,
}

impl HttpServer {
    /// Listens at `address`.
    ///
    /// # Errors
    /// When it is taken, or is none of this machine's.
    pub fn listen(address: SocketAddr) -> Result<HttpServer, Refused> {
        let refused = |e: std::io::Error| Refused { address, reason: e.to_string() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(refused)?;
        Ok(HttpServer { runtime, listener })
    }

    /// Answers with what `monitor` knows, for as long as the process lives.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn serve(self, monitor: Arc<Monitor>) -> std::io::Result<()> {
        let HttpServer { runtime, listener } = self;
        let serve = move || runtime.block_on(accept(listener, monitor));
        std::thread::Builder::new().name("http".to_owned()).spawn(serve)?;
        Ok(())
    }
}

async fn accept(listener: TcpListener, monitor: Arc<Monitor>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let monitor = Arc::clone(&monitor);
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(PATIENCE, answer_all(stream, &monitor)).await;
                    drop(permit);
                });
            }
            // Out of file handles, say: others may be given back soon.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn answer_all(stream: TcpStream, monitor: &Monitor) {
    let service = service_fn(async |request| Ok::<_, Infallible>(answer(&request, monitor)));
    // One scrape, one connection: those that are kept open would keep others out.
    let _ = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await;
}

fn answer(request: &Request<Incoming>, monitor: &Monitor) -> Response<Full<Bytes>> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let verdict = |verdict: Result<&'static str, &'static str>| match verdict {
        Ok(text) => (StatusCode::OK, format!("{text}\n")),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    };
    let (status, text) = match request.uri().path() {
        _ if !is_read => (StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned()),
        "/metrics" => (StatusCode::OK, monitor.metrics()),
        "/healthz" => verdict(monitor.health()),
        "/readyz" => verdict(monitor.readiness()),
        _ => (StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let format = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, format);
    if !is_read {
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// Asks the `loop` that listens at `address` whether it is alive. One that listens at all addresses is asked at this
/// machine's own.
///
/// # Errors
/// Says why it is not, or that nobody answers.
pub fn probe(address: SocketAddr) -> Result<(), String> {
    let asked = match address {
        SocketAddr::V4(a) if a.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, a.port()).into(),
        SocketAddr::V6(a) if a.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, a.port()).into(),
        other => other,
    };
    let agent =
        ureq::Agent::config_builder().timeout_global(Some(PROBE)).http_status_as_error(false).proxy(None).build();
    let answer = ureq::Agent::from(agent).get(format!("http://{asked}/healthz")).call();
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(mut answer) => {
            let why = answer.body_mut().with_config().limit(1000).read_to_string().unwrap_or_default();
            Err(format!("{} at {asked}: {}", answer.status(), why.trim()))
        }
        Err(e) => Err(format!("nobody answers at {asked}: {e}; is `loop --http {address}` running?")),
    }
}
