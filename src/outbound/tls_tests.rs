//! Real TLS servers with certificates made here: who is trusted, who is not, and what a refused certificate means.

use std::{sync::Mutex, time::Duration};

use hyper::Method;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{io::AsyncWriteExt as _, net::TcpListener};
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::*;
use crate::{
    config::secret::Secret,
    outbound::{
        Client, Limits, Request, Target,
        error::CallError,
        test_servers::{Script, Seen, answer, answering, networks, read_request},
    },
};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), response: 64 * 1024 };

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

struct Leaf {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn leaf(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Leaf { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.pem).unwrap() {
            roots.add(certificate).unwrap();
        }
        roots
    }

    fn ca(&self) -> Tls {
        Tls { ca: Some(self.pem.clone()), ..Tls::default() }
    }

    fn with(&self, leaf: &Leaf) -> Tls {
        Tls { certificate: Some(leaf.certificate.pem()), key: Some(Secret::new(leaf.key.serialize_pem())), ..self.ca() }
    }
}

/// An HTTPS server that keeps the requests it read; with `clients`, it wants certificates of that authority.
async fn https(
    leaf: &Leaf,
    clients: Option<&Authority>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> (Url, Arc<Mutex<Vec<Seen>>>) {
    install_cryptography();
    let builder = ServerConfig::builder_with_protocol_versions(versions);
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(clients.roots())).build().unwrap()),
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf.key.serialize_der()));
    let config = builder.with_single_cert(vec![leaf.certificate.der().clone()], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("https://desk.example:{}/", listener.local_addr().unwrap().port())).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (kept, acceptor) = (Arc::clone(&seen), TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (kept, acceptor) = (Arc::clone(&kept), acceptor.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let Some(request) = read_request(&mut stream).await else { return };
                kept.lock().unwrap().push(request);
                let _ = stream.write_all(answer(200, "{}").as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (url, seen)
}

async fn call(url: &Url, tls: Option<&Tls>) -> Result<u16, CallError> {
    let allowed = networks(&["127.0.0.1/32"]);
    let target = Target::new(url, &allowed, LIMITS).tls(tls).lookup(Script::new(&[&["127.0.0.1"]]));
    Client::to(target).unwrap().send(Request::new(Method::GET, None)).await.map(|answer| answer.status)
}

#[tokio::test]
async fn a_server_is_trusted_when_its_name_time_and_chain_are_in_order_and_not_otherwise() {
    let (ours, other) = (Authority::new(), Authority::new());
    let good = ours.leaf(&["desk.example"], |_| {});
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12][..]] {
        let (url, seen) = https(&good, None, versions).await;
        assert_eq!(call(&url, Some(&ours.ca())).await.unwrap(), 200);
        assert_eq!(seen.lock().unwrap()[0].header("host"), Some(url.authority()));
        // The system's certificates do not know it, and a list of others replaces the system's, not adds to it.
        for tls in [None, Some(&other.ca())] {
            let error = call(&url, tls).await.unwrap_err();
            assert!(matches!(error, CallError::NotSent(_)), "{error:?}");
        }
        assert_eq!(seen.lock().unwrap().len(), 1);
    }
    let year = rcgen::date_time_ymd;
    for bad in [
        ours.leaf(&["other.example"], |_| {}),
        ours.leaf(&["example"], |_| {}),
        ours.leaf(&["desk.example.evil.example"], |_| {}),
        ours.leaf(&["127.0.0.1"], |_| {}),
        ours.leaf(&["desk.example"], |params| params.not_after = year(2020, 1, 1)),
        ours.leaf(&["desk.example"], |params| params.not_before = year(4000, 1, 1)),
        ours.leaf(&["desk.example"], |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
    ] {
        let (url, seen) = https(&bad, None, rustls::ALL_VERSIONS).await;
        let error = call(&url, Some(&ours.ca())).await.unwrap_err();
        assert!(matches!(error, CallError::NotSent(_)), "{error:?}");
        assert_eq!(seen.lock().unwrap().len(), 0, "nothing was sent");
    }
}

#[tokio::test]
async fn a_target_that_wants_our_certificate_gets_it_and_its_refusal_means_not_sent() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let server = servers.leaf(&["desk.example"], |_| {});
    let known = clients.leaf(&["sluicegate"], |_| {});
    let unknown = servers.leaf(&["sluicegate"], |_| {});
    let expired = clients.leaf(&["sluicegate"], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    // In TLS 1.3 the client may send before the server has looked at its certificate.
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12][..]] {
        let (url, seen) = https(&server, Some(&clients), versions).await;
        assert_eq!(call(&url, Some(&servers.with(&known))).await.unwrap(), 200);
        for tls in [servers.ca(), servers.with(&unknown), servers.with(&expired)] {
            let error = call(&url, Some(&tls)).await.unwrap_err();
            assert!(matches!(error, CallError::NotSent(_)), "{error:?}");
        }
        assert_eq!(seen.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_of_an_https_request() {
    let (plain, seen) = answering("127.0.0.1:0", |_| answer(200, "{}")).await;
    let url = Url::parse(&format!("https://{}/", plain.authority())).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    drop(listener);
    let mut request = Request::new(Method::POST, None);
    request.timeout = Some(Duration::from_millis(600));
    let client = Client::to(Target::new(&url, &networks(&["127.0.0.1/32"]), LIMITS)).unwrap();
    let error = client.send(request).await.unwrap_err();
    assert!(error.is_surely_unsent(), "{error:?}");
    assert_eq!(seen.lock().unwrap().len(), 0);
}

#[test]
fn certificates_and_keys_that_are_none_are_refused_and_not_shown() {
    let (ours, other) = (Authority::new(), Authority::new());
    let (leaf, stranger) = (ours.leaf(&["a.example"], |_| {}), other.leaf(&["b.example"], |_| {}));
    let pem = leaf.key.serialize_pem();
    let middle = pem.lines().nth(1).unwrap().to_owned();
    let broken = pem.replace("-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY");
    let certificate = || Some(leaf.certificate.pem());
    let key = |text: &str| Some(Secret::new(text));
    for (tls, names) in [
        (Tls { ca: Some(String::new()), ..Tls::default() }, "`tls.ca`"),
        (Tls { ca: Some("hunter2".to_owned()), ..Tls::default() }, "`tls.ca`"),
        (Tls { ca: Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".to_owned()), ..Tls::default() }, "`tls.ca`"),
        (Tls { certificate: certificate(), ..Tls::default() }, "`tls.key`"),
        (Tls { key: key(&pem), ..Tls::default() }, "`tls.certificate`"),
        (Tls { certificate: certificate(), key: key("hunter2"), ..Tls::default() }, "`tls.key`"),
        (Tls { certificate: certificate(), key: key(&broken), ..Tls::default() }, "`tls.key`"),
        (Tls { certificate: certificate(), key: key(&stranger.key.serialize_pem()), ..Tls::default() }, "`tls.key`"),
        (Tls { certificate: Some(pem.clone()), key: key(&pem), ..Tls::default() }, "`tls.certificate`"),
    ] {
        let error = connector(Some(&tls)).err().unwrap().to_string();
        assert!(error.starts_with(names), "{error}");
        assert!(!error.contains("hunter2") && !error.contains(&middle), "{error}");
        assert!(!format!("{tls:?}").contains(&middle) || tls.certificate.as_ref() == Some(&pem), "debug output shows the key");
    }
}
