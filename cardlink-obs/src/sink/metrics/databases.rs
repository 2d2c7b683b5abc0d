//! Metrics of databases: statements, and connections to them.

use super::{bounded::Bounded, registry::Registry, table};
use crate::observation::{ConnectReason, DatabaseChange, DatabaseConnection, DatabaseSystem, Query, Role};
use std::collections::{HashMap, HashSet};

/// Tables that get series of their own.
const MAX_TABLES: usize = 100;

/// Reasons that are announced at 0.
const REASONS: [&str; 5] = ["authentication", "lost", "refused", "shutdown", "too_many_connections"];
/// Those of servers, too.
const SERVER_REASONS: [&str; 3] = ["no_socket", "timeout", "unreachable"];

/// A connection that the gauges count.
#[derive(Debug)]
struct Counted {
    target: String,
    system: &'static str,
    /// It is among the active ones.
    active: bool,
    /// What the pool is told to hold; `None` at a server's end.
    pool: Option<&'static str>,
}

#[derive(Debug)]
pub struct Databases {
    tables: Bounded,
    /// By the number of the connection.
    open: HashMap<u64, Counted>,
    announced: HashSet<(String, &'static str)>,
    known: HashSet<(String, &'static str, &'static str, String)>,
}

impl Default for Databases {
    fn default() -> Self {
        Self {
            tables: Bounded::new(MAX_TABLES),
            open: HashMap::new(),
            announced: HashSet::new(),
            known: HashSet::new(),
        }
    }
}

impl Databases {
    /// Counters start at 0 once it is known that a target has to do with a database.
    fn announce(&mut self, target: &str, system: &'static str, registry: &Registry) {
        if !self.announced.insert((target.to_owned(), system)) {
            return;
        }
        let more: &[&str] = if system == DatabaseSystem::Sqlite.as_str() { &[] } else { &SERVER_REASONS };
        for reason in REASONS.iter().chain(more).copied() {
            registry.add(&table::DB_CONNECTION_FAILURES, &[target, system, reason], 0.0);
        }
        registry.shift(&table::DB_CONNECTIONS_ACTIVE, &[target, system], 0.0);
    }

    pub fn query(&mut self, query: &Query, target: &str, registry: &Registry) {
        if query.counted_elsewhere {
            return;
        }
        let (system, operation) = (query.system.as_str(), query.operation);
        self.announce(target, system, registry);
        let name = self.tables.fold(query.table.as_deref().unwrap_or_default());
        if self.known.insert((target.to_owned(), system, operation, name.clone())) {
            registry.add(&table::DB_QUERIES, &[target, system, operation, &name, "ok"], 0.0);
        }
        let result = query.error.as_ref().map_or("ok", |error| error.class);
        registry.increment(&table::DB_QUERIES, &[target, system, operation, &name, result]);
        if let Some(took) = query.took {
            registry.observe(&table::DB_QUERY_DURATION, &[target, system, operation, &name], took.as_secs_f64());
        }
        let between = query.between().as_secs_f64();
        registry.add(&table::DB_PROGRAM_TIME, &[target, system, operation, &name], between);
        registry.add(&table::DB_ROWS, &[target, system, operation, &name], query.rows.unwrap_or(0) as f64);
    }

    pub fn connection(&mut self, told: &DatabaseConnection, target: &str, registry: &Registry) {
        let system = told.system.as_str();
        self.announce(target, system, registry);
        let number = told.connection.as_ref().map_or(0, |connection| connection.number);
        let labels = [target, system];
        match &told.change {
            DatabaseChange::Ready { after } => {
                self.opened(number, told, target, registry);
                if let Some(after) = after.filter(|_| !told.counted_elsewhere) {
                    registry.observe(&table::DB_SETUP, &labels, after.as_secs_f64());
                }
            }
            DatabaseChange::Encrypted | DatabaseChange::Compressed => self.opened(number, told, target, registry),
            DatabaseChange::FirstUse { after } if told.role == Role::Client => {
                registry.observe(&table::DB_FIRST_USE, &labels, after.as_secs_f64());
            }
            DatabaseChange::FirstUse { .. } | DatabaseChange::CancelRequest => {}
            DatabaseChange::Busy(busy) => {
                let Some(Counted { target, pool: Some(pool), .. }) = self.open.get_mut(&number) else { return };
                let state = if *busy { "in_use" } else { "idle" };
                registry.shift(&table::DB_POOL, &[target, system, *pool], -1.0);
                registry.shift(&table::DB_POOL, &[target, system, state], 1.0);
                *pool = state;
            }
            DatabaseChange::Failed(error) => {
                if !told.counted_elsewhere {
                    registry.increment(&table::DB_CONNECTION_FAILURES, &[target, system, error.class]);
                }
            }
            DatabaseChange::Closed => {
                let Some(Counted { target, system, active, pool }) = self.open.remove(&number) else { return };
                if active {
                    registry.shift(&table::DB_CONNECTIONS_ACTIVE, &[&target, system], -1.0);
                }
                if let Some(state) = pool {
                    registry.shift(&table::DB_POOL, &[&target, system, state], -1.0);
                }
            }
        }
    }

    /// Nobody took the connection.
    pub fn unreached(&mut self, system: DatabaseSystem, reason: ConnectReason, target: &str, registry: &Registry) {
        self.announce(target, system.as_str(), registry);
        registry.increment(&table::DB_CONNECTION_FAILURES, &[target, system.as_str(), reason.as_str()]);
    }

    fn opened(&mut self, number: u64, told: &DatabaseConnection, target: &str, registry: &Registry) {
        let system = told.system.as_str();
        let active = !told.counted_elsewhere;
        let pool = (told.role == Role::Client && !told.system.is_embedded()).then_some("idle");
        let counted = Counted { target: target.to_owned(), system, active, pool };
        if self.open.insert(number, counted).is_some() {
            return;
        }
        if active {
            registry.shift(&table::DB_CONNECTIONS_ACTIVE, &[target, system], 1.0);
        }
        if pool.is_some() {
            registry.shift(&table::DB_POOL, &[target, system, "in_use"], 0.0);
            registry.shift(&table::DB_POOL, &[target, system, "idle"], 1.0);
        }
    }
}

#[cfg(test)]
#[path = "databases_tests.rs"]
mod tests;
