//! The rooms put together from a configuration: what `serve`, `demo` and the commands on a store share.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;

use crate::{
    config::{self, Config},
    domain::{ambient::Ambient, time::Timestamp},
    execute::Connectors,
    log::note::Signer,
    notify::Senders,
    pipeline::{
        decider::Decider,
        directories::Directories,
        load::Chosen,
        service::{Parts, Service, Source},
        single_sign_on::SingleSignOn,
        witnesses::Witnesses,
    },
    store::{
        interface::Store as _,
        sqlite::{Options, SqliteStore},
    },
    telemetry::Metrics,
};

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file; without one, defaults and the environment apply.
    #[arg(long, env = "SLUICEGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl ConfigArgs {
    pub fn load(&self) -> Result<Config, config::ConfigError> {
        config::load(self.config.as_deref(), std::env::vars())
    }
}

/// The clock of this machine and the random numbers of its kernel.
pub struct System;

impl Ambient for System {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }

    fn random(&self) -> u128 {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the kernel's random numbers are there on every platform we run on");
        u128::from_le_bytes(bytes)
    }
}

/// Opens the store and loads every room.
///
/// # Errors
/// Any part of the configuration is not in order; the message says which.
pub async fn service(config: Config) -> Result<Arc<Service>, Box<dyn std::error::Error + Send + Sync>> {
    let ambient: Arc<dyn Ambient> = Arc::new(System);
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"), ambient.now().as_millis() as f64 / 1e3));
    let connectors = Arc::new(Connectors::from_config(&config.connectors)?);
    let directories = Arc::new(Directories::from_config(&config.directories)?);
    let sources = sources(&config)?;
    std::fs::create_dir_all(&config.store.folder)
        .map_err(|why| format!("`store.folder` {} cannot be made: {why}; create it or choose another", config.store.folder.display()))?;
    let key = signing_key(&config.store.folder, &config.log.origin, &*ambient)?;
    let store = Arc::new(SqliteStore::open_with(
        &config.store.folder.join("sluicegate.db"),
        Options { queue: config.store.queue, ..Options::default() },
    )?);
    let decider = Decider::load_chosen(&config, Chosen::from(&store.models().await?))?;
    let senders = Arc::new(Senders::from_config(&config)?);
    let sign_on = SingleSignOn::from_config(&config)?;
    let witnesses = Witnesses::from_config(&config.log)?;
    Ok(Arc::new(Service::new(Parts {
        store,
        ambient,
        config: Arc::new(config),
        decider,
        connectors,
        directories,
        senders,
        sign_on,
        witnesses,
        sources,
        metrics,
        key,
    })))
}

/// # Errors
/// What is wrong with the source, for people.
pub fn check_source(source: &config::source::Source) -> Result<(), String> {
    Source::from_config(source).map(drop).map_err(|why| why.to_string())
}

fn sources(config: &Config) -> Result<BTreeMap<String, Source>, Box<dyn std::error::Error + Send + Sync>> {
    config.sources.iter().map(|source| Ok((source.name.clone(), Source::from_config(source)?))).collect()
}

/// The log's signing key, made at the first start and kept beside the data.
fn signing_key(folder: &Path, origin: &str, ambient: &dyn Ambient) -> Result<Signer, Box<dyn std::error::Error + Send + Sync>> {
    let path = folder.join("log.key");
    let shown = path.display();
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let signer: Signer = text
                .parse()
                .map_err(|why| format!("{shown}: {why}; restore it from a backup, since a new key cannot vouch for the old log"))?;
            if signer.name() != origin {
                return Err(
                    format!("{shown} signs as `{}`, `log.origin` is `{origin}`: a log keeps its name; set it back", signer.name()).into()
                );
            }
            Ok(signer)
        }
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
            let mut seed = [0; 32];
            seed[..16].copy_from_slice(&ambient.random().to_le_bytes());
            seed[16..].copy_from_slice(&ambient.random().to_le_bytes());
            let signer = Signer::from_seed(origin, &seed)?;
            write_private(&path, &signer.secret_text()).map_err(|why| format!("{shown} cannot be written: {why}"))?;
            Ok(signer)
        }
        Err(why) => Err(format!("{shown} cannot be read: {why}").into()),
    }
}

/// Writes a file that only its owner can read, and has it on disk before it returns.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
