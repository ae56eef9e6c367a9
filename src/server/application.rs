//! The service on a socket: bound first, then run until it is asked to stop.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, sync::watch};

use super::router;
use crate::pipeline::service::Service;

/// Why the service is not on its socket.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on `{address}`: {}; change `server.listen` or stop what listens there", describe(.why))]
    Bind { address: SocketAddr, why: io::Error },
    #[error("the listener on `{address}` failed: {why}")]
    Failed { address: SocketAddr, why: io::Error },
}

fn describe(why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::AddrInUse => "the port is in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        io::ErrorKind::PermissionDenied => "no permission; ports below 1024 need one".to_owned(),
        _ => why.to_string(),
    }
}

/// The service, bound and not yet answering.
pub struct Application {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    drain: Duration,
}

impl Application {
    /// Binds `server.listen`; port 0 takes any free one.
    ///
    /// # Errors
    /// The address is in use, not this machine's, or not permitted.
    pub async fn bind(service: Arc<Service>) -> Result<Self, ServeError> {
        let wanted = service.config.server.listen;
        let refused = |why| ServeError::Bind { address: wanted, why };
        let listener = TcpListener::bind(wanted).await.map_err(refused)?;
        Self::on(listener, service).map_err(refused)
    }

    /// Takes a listener that is bound already, for callers who must know the port before there is a service.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn on(listener: TcpListener, service: Arc<Service>) -> io::Result<Self> {
        let (address, drain) = (listener.local_addr()?, service.config.server.drain.get());
        Ok(Self { listener, address, router: router::router(service), drain })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` completes, then takes no new connection and lets open requests end within
    /// `server.drain`; what is still open then is cut, which loses nothing that was acknowledged.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn run_until(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let Self { listener, address, router, drain } = self;
        let (asked, mut stopping) = watch::channel(false);
        let stop = async move {
            stop.await;
            asked.send_replace(true);
        };
        let serving = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).with_graceful_shutdown(stop);
        let cut = async move {
            // A dropped sender means that serving ended by itself.
            if stopping.wait_for(|asked| *asked).await.is_ok() {
                tokio::time::sleep(drain).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = serving.into_future() => ended.map_err(|why| ServeError::Failed { address, why }),
            () = cut => {
                tracing::warn!(seconds = drain.as_secs(), "requests were still open when `server.drain` ended");
                Ok(())
            }
        }
    }
}
