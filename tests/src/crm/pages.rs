//! Pages: the HTML that the CRM's clerks see.

use std::fmt::Write as _;

use super::customer::{Customer, CustomerType, Draft, FieldError};
use super::records::PAGE;

pub(super) const STYLE: &str = include_str!("style.css");
pub(super) const SCRIPT: &str = include_str!("enhance.js");

pub(super) fn login(next: &str, user: &str, wrong: bool) -> String {
    let alert = if wrong {
        r#"<div class="alert" role="alert" id="errors">User name or password is wrong.</div>"#
    } else {
        ""
    };
    let content = format!(
        r#"<h2>Log in</h2>
{alert}
<form method="post" action="/login" class="narrow">
  <input type="hidden" name="next" value="{next}">
  <p><label for="user">User name</label> <input type="text" id="user" name="user" value="{user}" autocomplete="username" required></p>
  <p><label for="password">Password</label> <input type="password" id="password" name="password" autocomplete="current-password" required></p>
  <p class="buttons"><button type="submit" id="login">Log in</button></p>
</form>"#,
        next = escape(next),
        user = escape(user),
    );
    page("Log in", None, &content)
}

pub(super) fn list(
    user: &str,
    query: &str,
    number: u32,
    customers: &[Customer],
    total: u32,
) -> String {
    let mut rows = String::new();
    for customer in customers {
        // Writing to a String cannot fail.
        let _ = writeln!(
            rows,
            r#"<tr><td><a href="/customers/{number}">{number}</a></td><td>{name}</td><td>{email}</td><td>{kind}</td><td>{reference}</td><td>{created}</td></tr>"#,
            number = escape(&customer.number),
            name = escape(&customer.name),
            email = escape(&customer.email),
            kind = kind(customer.customer_type),
            reference = escape(&customer.reference),
            created = escape(&customer.created_at),
        );
    }
    if customers.is_empty() {
        rows.push_str(r#"<tr><td colspan="6">No customer found.</td></tr>"#);
    }
    let pages = total.div_ceil(PAGE).max(1);
    let link = |to: u32, text: &str| {
        format!(
            r#"<a href="/customers?q={}&amp;page={to}">{text}</a> "#,
            url_text(query)
        )
    };
    let mut paging = String::new();
    if number > 0 {
        paging.push_str(&link(number - 1, "Previous page"));
    }
    let _ = write!(paging, "Page {} of {pages} ", number + 1);
    if number + 1 < pages {
        paging.push_str(&link(number + 1, "Next page"));
    }
    let content = format!(
        r#"<h2>Customers</h2>
<form method="get" action="/customers" class="search" role="search">
  <label for="q">Search</label> <input type="text" id="q" name="q" value="{query}"> <button type="submit">Find</button>
</form>
<p id="count">{total} customers</p>
<table>
<thead><tr><th scope="col">Number</th><th scope="col">Name</th><th scope="col">E-mail</th><th scope="col">Type</th><th scope="col">Reference</th><th scope="col">Created</th></tr></thead>
<tbody>
{rows}</tbody>
</table>
<p class="paging">{paging}</p>"#,
        query = escape(query),
    );
    page("Customers", Some(user), &content)
}

pub(super) fn form(user: &str, draft: &Draft, errors: &[FieldError]) -> String {
    let mut alert = String::new();
    if !errors.is_empty() {
        alert.push_str(
            r#"<div class="alert" role="alert" id="errors"><p>The customer was not saved.</p><ul>"#,
        );
        for error in errors {
            let _ = write!(alert, "<li>{}</li>", escape(&error.message));
        }
        alert.push_str("</ul></div>");
    }
    let field = |name: &str, id: &str, label: &str, kind: &str, value: &str| {
        let error = errors.iter().find(|error| error.field == name);
        let state = if error.is_some() {
            format!(r#" class="wrong" aria-invalid="true" aria-describedby="{id}-error""#)
        } else {
            String::new()
        };
        let text = error.map_or_else(String::new, |error| {
            format!(
                r#" <span class="error" id="{id}-error">{}</span>"#,
                escape(&error.message)
            )
        });
        format!(
            r#"  <p><label for="{id}">{label}</label> <input type="{kind}" id="{id}" name="{name}" value="{value}" autocomplete="off"{state}>{text}</p>
"#,
            value = escape(value),
        )
    };
    let selected = |is: &str| {
        if draft.customer_type == is {
            " selected"
        } else {
            ""
        }
    };
    let content = format!(
        r#"<h2>New customer</h2>
{alert}
<form method="post" action="/customers" id="customer" novalidate>
{name}{email}{phone}  <p><label for="customer-type">Customer type</label> <select id="customer-type" name="customerType">
    <option value="private"{private}>Private</option>
    <option value="business"{business}>Business</option>
  </select></p>
{reference}  <p class="buttons"><button type="submit" id="save">Save customer</button> <a href="/customers">Cancel</a></p>
</form>"#,
        name = field("name", "name", "Full name", "text", &draft.name),
        email = field("email", "email", "E-mail", "email", &draft.email),
        phone = field("phone", "phone", "Phone", "tel", &draft.phone),
        reference = field(
            "reference",
            "reference",
            "Reference",
            "text",
            &draft.reference
        ),
        private = selected("private"),
        business = selected("business"),
    );
    page("New customer", Some(user), &content)
}

pub(super) fn created(user: &str, customer: &Customer) -> String {
    let content = format!(
        r#"<h2>Customer created</h2>
<div class="notice" role="status">The customer was saved. The customer number is <strong id="customer-number">{number}</strong>.</div>
{details}
<p class="buttons"><a href="/customers/new">Enter another customer</a> <a href="/customers">Back to the list</a></p>"#,
        number = escape(&customer.number),
        details = details(customer),
    );
    page("Customer created", Some(user), &content)
}

pub(super) fn detail(user: &str, customer: &Customer) -> String {
    let content = format!(
        "<h2>Customer {}</h2>\n{}",
        escape(&customer.number),
        details(customer)
    );
    page(
        &format!("Customer {}", customer.number),
        Some(user),
        &content,
    )
}

pub(super) fn message(user: Option<&str>, title: &str, text: &str) -> String {
    let content = format!(
        r#"<h2>{}</h2><p role="alert">{}</p>"#,
        escape(title),
        escape(text)
    );
    page(title, user, &content)
}

fn details(customer: &Customer) -> String {
    format!(
        r#"<dl>
  <dt>Number</dt><dd>{number}</dd>
  <dt>Full name</dt><dd>{name}</dd>
  <dt>E-mail</dt><dd>{email}</dd>
  <dt>Phone</dt><dd>{phone}</dd>
  <dt>Customer type</dt><dd>{kind}</dd>
  <dt>Reference</dt><dd>{reference}</dd>
  <dt>Created</dt><dd>{created}</dd>
  <dt>Confirmed</dt><dd>{confirmed}</dd>
</dl>"#,
        number = escape(&customer.number),
        name = escape(&customer.name),
        email = escape(&customer.email),
        phone = escape(&customer.phone),
        kind = kind(customer.customer_type),
        reference = escape(&customer.reference),
        created = escape(&customer.created_at),
        confirmed = escape(customer.confirmed_at.as_deref().unwrap_or("not yet")),
    )
}

fn page(title: &str, user: Option<&str>, content: &str) -> String {
    let navigation = user.map_or_else(String::new, |user| {
        format!(
            r#"<nav aria-label="Main"><a href="/customers">Customers</a> <a href="/customers/new">New customer</a></nav>
<form method="post" action="/logout" class="logout">Logged in as <strong>{}</strong> <button type="submit">Log out</button></form>
"#,
            escape(user)
        )
    });
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title} - Contoso CRM</title>
<link rel="stylesheet" href="/style.css">
<script src="/enhance.js" defer></script>
</head>
<body>
<div id="page">
<div id="header"><h1>Contoso CRM <small>Release 3.2</small></h1>
{navigation}</div>
<div id="content">
{content}
</div>
<div id="footer">Contoso CRM 3.2. For internal use only.</div>
</div>
</body>
</html>
"#,
        title = escape(title),
    )
}

fn kind(customer_type: CustomerType) -> &'static str {
    match customer_type {
        CustomerType::Private => "Private",
        CustomerType::Business => "Business",
    }
}

/// Makes a text safe in HTML content and in a quoted attribute.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// Makes a text safe as a value in a query string.
fn url_text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            let _ = write!(safe, "%{byte:02X}");
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_clerk_typed_never_becomes_markup() {
        let draft = Draft {
            name: r#""><script>alert(1)</script>"#.to_owned(),
            ..Draft::default()
        };
        let html = form("clerk", &draft, &[]);
        assert!(!html.contains("<script>alert"), "{html}");
        assert!(html.contains("&quot;&gt;&lt;script&gt;alert(1)"), "{html}");
    }

    #[test]
    fn a_wrong_field_shows_its_error_beside_its_label() {
        let errors = [FieldError {
            field: "email".to_owned(),
            message: "Please enter a valid e-mail.".to_owned(),
        }];
        let html = form("clerk", &Draft::default(), &errors);
        assert!(html.contains(r#"aria-describedby="email-error""#), "{html}");
        assert!(html.contains(r#"role="alert" id="errors""#), "{html}");
    }
}
