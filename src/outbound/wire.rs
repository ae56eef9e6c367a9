//! One connection for one request: looked up, checked, connected, counted, and under TLS when the URL says so.
//!
//! Nothing of the request is written here, so every failure here means "not sent".
// INVARIANT: a socket is connected only to an address that `resolve` gave, and reads no more than its allowance.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::{
    address::{AddressPolicy, Lookup, resolve},
    error::CallError,
    tunnel::Tunnel,
};

/// A connection that a request can be written to.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How a client makes its connections.
pub(super) struct Dialer {
    pub policy: AddressPolicy,
    pub lookup: Arc<dyn Lookup>,
    /// For `https`.
    pub tls: Option<TlsConnector>,
    pub tunnel: Option<Tunnel>,
}

/// Bytes that may still come in on a connection, whatever they are.
#[derive(Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    pub fn of(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    pub fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// False when less is left.
    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

impl Dialer {
    /// # Errors
    /// `Forbidden` or `NotSent`.
    pub async fn dial(&self, url: &Url, until: Instant, allowance: &Allowance) -> Result<Box<dyn Stream>, CallError> {
        let unsent = |why: &str| CallError::NotSent(why.to_owned());
        let host = url.host().ok_or_else(|| unsent("the URL has no host"))?;
        let port = url.port_or_known_default().ok_or_else(|| unsent("the URL has no port"))?;
        let socket = match &self.tunnel {
            None => self.connect(&host, port, &self.policy, until, allowance).await?,
            Some(tunnel) => {
                tunnel.permits(&host, &self.policy)?;
                let socket = self.connect(&tunnel.host(), tunnel.port, &tunnel.policy, until, allowance).await?;
                tunnel.open(socket, &host, port).await?
            }
        };
        let Some(tls) = &self.tls else { return Ok(Box::new(socket)) };
        let name = match host {
            Host::Domain(name) => {
                ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(|_| unsent("the host is no name for TLS"))?
            }
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(address)),
        };
        match tls.connect(name, socket).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(why) => Err(CallError::NotSent(format!("no TLS connection: {why}"))),
        }
    }

    async fn connect(
        &self,
        host: &Host<&str>,
        port: u16,
        policy: &AddressPolicy,
        until: Instant,
        allowance: &Allowance,
    ) -> Result<Metered, CallError> {
        let addresses = resolve(host, policy, &self.lookup).await?;
        let mut last = String::new();
        for (tried, address) in addresses.iter().enumerate() {
            // An address that swallows packets must leave time for the next.
            let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let share = until.saturating_duration_since(Instant::now()) / left;
            match tokio::time::timeout(share, TcpStream::connect(SocketAddr::new(*address, port))).await {
                Ok(Ok(stream)) => {
                    // Small requests must not wait for the acknowledgement of the one before.
                    let _ = stream.set_nodelay(true);
                    return Ok(Metered { stream, allowance: allowance.clone() });
                }
                Ok(Err(why)) => last = format!("{address} port {port}: {why}"),
                Err(_) => last = format!("{address} port {port}: no connection in time"),
            }
        }
        Err(CallError::NotSent(last))
    }
}

/// More came in than one answer may take.
#[derive(Debug, thiserror::Error)]
#[error("it takes more on the wire than its limit allows")]
pub(super) struct TooMuch;

/// Counts what comes in. The HTTP library bounds one head and we one body; this bounds what lies between, like
/// interim answers (1xx) without end, or megabytes of chunk headers.
pub(super) struct Metered {
    stream: TcpStream,
    allowance: Allowance,
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        Poll::Ready(if self.allowance.take(read) { Ok(()) } else { Err(io::Error::other(TooMuch)) })
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
