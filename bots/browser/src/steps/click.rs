//! click: one press of a pointer's button on a point of an element.

use serde_json::{Value, json};
use thirtyfour::WebElement;

use crate::fault::Fault;
use crate::page::Look;
use crate::recording::Fields;
use crate::selector::Selector;
use crate::steps::Cx;

const OFFSET_MAX: f64 = 100_000.0;
const DURATION_MS_DEFAULT: f64 = 50.0;
const DURATION_MS_MAX: f64 = 10_000.0;

/// Clicks an element.
#[derive(Debug, Clone, PartialEq)]
pub struct Click {
    /// The alternatives for finding the element.
    pub selectors: Vec<Selector>,
    /// The point, from the element's top left corner; its middle when absent.
    pub offset: Option<(f64, f64)>,
    /// 0 primary, 1 auxiliary, 2 secondary, 3 back, 4 forward.
    pub button: u8,
    /// `mouse`, `pen` or `touch`.
    pub pointer: &'static str,
    /// How long the button is held.
    pub duration_ms: u64,
}

/// A point of the page that a press would meet.
pub(crate) struct Point {
    /// What the driver counts from: the viewport, or inside a frame the element.
    origin: Value,
    x: i64,
    y: i64,
}

impl Click {
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let selectors = fields.selectors();
        let x = fields.number_if_present("offsetX", -OFFSET_MAX..=OFFSET_MAX);
        let y = fields.number_if_present("offsetY", -OFFSET_MAX..=OFFSET_MAX);
        let button = fields.word_or(
            "button",
            &["primary", "auxiliary", "secondary", "back", "forward"],
        );
        let pointer = fields.word_or("deviceType", &["mouse", "pen", "touch"]);
        let duration = fields.number_if_present("duration", 0.0..=DURATION_MS_MAX);
        Some(Self {
            selectors: selectors?,
            offset: x.zip(y),
            button: match button? {
                "primary" => 0,
                "auxiliary" => 1,
                "secondary" => 2,
                "back" => 3,
                _ => 4,
            },
            pointer: pointer?,
            duration_ms: duration.unwrap_or(DURATION_MS_DEFAULT) as u64,
        })
    }

    pub(crate) async fn run(&self, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
        self.press(cx, 1).await
    }

    /// Waits until a press would meet the element, then presses.
    pub(crate) async fn press(&self, cx: &mut Cx<'_, '_>, times: usize) -> Result<(), Fault> {
        let element = cx.locate(&self.selectors).await?;
        let mut point = self.point(cx, &element).await?;
        if cx.is_commit {
            cx.about_to_act().await?;
            // The screenshot took its time; the element may have moved.
            point = self.point(cx, &element).await?;
        }
        let mut list = vec![moved(&point)];
        for _ in 0..times {
            list.push(json!({"type": "pointerDown", "button": self.button}));
            list.push(json!({"type": "pause", "duration": self.duration_ms}));
            list.push(json!({"type": "pointerUp", "button": self.button}));
        }
        cx.page.act(pointer(self.pointer, list)).await
    }

    async fn point(&self, cx: &mut Cx<'_, '_>, element: &WebElement) -> Result<Point, Fault> {
        aim(cx, element, self.offset).await
    }
}

/// Waits until the element keeps still, is enabled and nothing covers the point.
pub(crate) async fn aim(
    cx: &mut Cx<'_, '_>,
    element: &WebElement,
    offset: Option<(f64, f64)>,
) -> Result<Point, Fault> {
    let given = vec![
        element.to_json()?,
        json!(offset.map(|offset| offset.0)),
        json!(offset.map(|offset| offset.1)),
    ];
    let mut last = Value::Null;
    let deadline = cx.deadline;
    cx.page
        .poll(deadline, async |page| {
            let (seen, _) = page.call("point", given.clone()).await?;
            if seen["gone"] == true {
                return Ok(Look::NotYet("the element was taken away".to_owned()));
            }
            let still = last == seen["box"];
            last = seen["box"].clone();
            Ok(if !still {
                Look::NotYet("the element does not keep still".to_owned())
            } else if seen["disabled"] == true {
                Look::NotYet("the element is disabled".to_owned())
            } else if seen["inView"] != true {
                Look::NotYet("the element cannot be scrolled into view".to_owned())
            } else if seen["meets"] != true {
                Look::NotYet(format!(
                    "the element is covered by {}",
                    seen["by"].as_str().unwrap_or("another one")
                ))
            } else {
                Look::Found(point_of(&seen, &given[0]))
            })
        })
        .await
        .map_err(|fault| match fault {
            Fault::Failed {
                code: "step_timeout",
                message,
                ..
            } => Fault::passing("element_not_ready", message),
            other => other,
        })
}

fn point_of(seen: &Value, element: &Value) -> Point {
    let whole = |value: &Value| value.as_f64().unwrap_or_default().floor() as i64;
    let (x, y) = (whole(&seen["x"]), whole(&seen["y"]));
    if seen["middle"].is_null() {
        return Point {
            origin: json!("viewport"),
            x,
            y,
        };
    }
    Point {
        origin: element.clone(),
        x: x - whole(&seen["middle"][0]),
        y: y - whole(&seen["middle"][1]),
    }
}

pub(crate) fn moved(point: &Point) -> Value {
    json!({"type": "pointerMove", "duration": 0, "origin": point.origin, "x": point.x, "y": point.y})
}

pub(crate) fn pointer(kind: &str, list: Vec<Value>) -> Value {
    json!([{"type": "pointer", "id": kind, "parameters": {"pointerType": kind}, "actions": list}])
}
