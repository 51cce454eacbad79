//! What an operator says about a relay beyond where it is: how much of the mail it gets, and how fast.

/// The options in a relay's URL. None: as the settings say, or no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Relays of the lowest number that can take mail get it.
    pub priority: u32,
    /// This relay's share among those of one priority.
    pub weight: u32,
    pub connections: Option<u16>,
    /// Messages a second; 0 for no limit.
    pub per_second: Option<u32>,
    /// Messages a day (UTC).
    pub per_day: Option<u32>,
    /// Messages on one connection, which is then closed.
    pub per_connection: Option<u32>,
    /// Messages a second to one recipient domain.
    pub domain_per_second: Option<u32>,
    /// Connections on which messages to one recipient domain are under way at a time.
    pub domain_connections: Option<u16>,
    /// Messages on the first, second, third … day on which mail goes out through this relay.
    pub warmup: Vec<u32>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            priority: 1,
            weight: 1,
            connections: None,
            per_second: None,
            per_day: None,
            per_connection: None,
            domain_per_second: None,
            domain_connections: None,
            warmup: vec![],
        }
    }
}

/// The most that a limit can be: beyond it, leave it out.
const MOST: u32 = 1_000_000_000;

/// The most messages a second: a microsecond apart.
const MOST_PER_SECOND: u32 = 1_000_000;

/// The longest warm-up plan, in days.
const LONGEST_PLAN: usize = 366;

/// What can be set, for error messages.
pub const NAMES: &str = "priority, weight, connections, per_second, per_day, per_connection, domain_per_second, \
                         domain_connections and warmup";

impl Terms {
    /// Takes one option; false where it is none of these.
    ///
    /// # Errors
    /// What is wrong with the value, as the end of a sentence that begins with the relay's URL.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name {
            "priority" => self.priority = number(name, value, 1, 100)?,
            "weight" => self.weight = number(name, value, 1, 100)?,
            "connections" => self.connections = Some(small(name, value)?),
            "per_second" => self.per_second = Some(number(name, value, 0, MOST_PER_SECOND)?),
            "per_day" => self.per_day = Some(number(name, value, 1, MOST)?),
            "per_connection" => self.per_connection = Some(number(name, value, 1, MOST)?),
            "domain_per_second" => self.domain_per_second = Some(number(name, value, 1, MOST_PER_SECOND)?),
            "domain_connections" => self.domain_connections = Some(small(name, value)?),
            "warmup" => self.warmup = plan(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn number(name: &str, value: &str, least: u32, most: u32) -> Result<u32, String> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        let example = least.max(10);
        format!("says {name}={value}; write a number from {least} to {most}, for instance {name}={example}")
    })
}

/// As many as connections can be.
fn small(name: &str, value: &str) -> Result<u16, String> {
    let number = number(name, value, 1, 500)?;
    Ok(u16::try_from(number).unwrap_or(u16::MAX))
}

fn plan(value: &str) -> Result<Vec<u32>, String> {
    let days: Option<Vec<u32>> = value
        .split(',')
        .map(|day| day.trim().parse().ok().filter(|number| (1..=MOST).contains(number)))
        .collect();
    days.filter(|days| days.len() <= LONGEST_PLAN).ok_or_else(|| {
        format!(
            "says warmup={value}; write the messages of day 1, 2, 3 …, for instance warmup=50,100,200 (at most \
             {LONGEST_PLAN} days)"
        )
    })
}
