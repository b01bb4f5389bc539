//! Camunda 8's extension elements.

use super::out::Out;
use crate::model::{
    Assignment, Binding, CalledDecision, CalledElement, Element, EventDefinition,
    ExecutionListener, FormLink, Header, JobDefinition, Kind, ListenerEvent, Property,
    PublishMessage, Schedule, TaskListenerEvent, Text, UserTask,
};
use crate::xml::ZEEBE;

impl Out {
    /// Writes everything that Camunda 8 adds to an element.
    pub(super) fn extensions(&mut self, element: &Element) {
        match &element.kind {
            Kind::ServiceTask { job, agent_type } => {
                self.job(job.as_ref());
                self.agent(agent_type.as_ref());
            }
            Kind::SendTask { job, publish, .. } => {
                self.job(job.as_ref());
                self.publish(publish.as_ref());
            }
            Kind::ScriptTask { script, job, .. } => {
                if let Some(script) = script {
                    self.start_of(Some(ZEEBE), "script");
                    self.attribute("expression", &script.expression.to_string());
                    self.attribute("resultVariable", &script.result_variable);
                    self.end();
                }
                self.job(job.as_ref());
            }
            Kind::UserTask(user) => self.user_task(user),
            Kind::BusinessRuleTask { decision, job } => {
                self.decision(decision.as_ref());
                self.job(job.as_ref());
            }
            Kind::CallActivity { called } => self.called(called.as_ref()),
            Kind::AdHocSubProcess(ad_hoc) => {
                self.job(ad_hoc.job.as_ref());
                self.agent(ad_hoc.agent_type.as_ref());
                if ad_hoc.active_elements.is_some()
                    || ad_hoc.output_collection.is_some()
                    || ad_hoc.output_element.is_some()
                {
                    self.start_of(Some(ZEEBE), "adHoc");
                    self.some(
                        "activeElementsCollection",
                        ad_hoc.active_elements.as_ref().map(Text::to_string),
                    );
                    self.some("outputCollection", ad_hoc.output_collection.as_ref());
                    self.some(
                        "outputElement",
                        ad_hoc.output_element.as_ref().map(Text::to_string),
                    );
                    self.end();
                }
            }
            Kind::StartEvent { form, .. } => self.form(form.as_ref()),
            _ => {}
        }
        for (event, source) in element.events().iter().zip(&element.event_sources) {
            if let (EventDefinition::Message { job, publish, .. }, false) =
                (event, source.by_reference)
            {
                self.job(job.as_ref());
                self.publish(publish.as_ref());
            }
        }
        self.mappings(element);
        self.headers("taskHeaders", &element.headers);
        if element.job_priority.is_some() {
            self.zeebe(
                "jobPriorityDefinition",
                &[("priority", element.job_priority.as_ref())],
            );
        }
        self.listeners(&element.listeners);
        self.task_listeners(element);
        self.linked_resources(element);
        self.properties(&element.properties);
    }

    pub(super) fn job(&mut self, job: Option<&JobDefinition>) {
        if let Some(job) = job {
            self.zeebe(
                "taskDefinition",
                &[
                    ("type", Some(&job.job_type)),
                    ("retries", job.retries.as_ref()),
                ],
            );
        }
    }

    pub(super) fn publish(&mut self, publish: Option<&PublishMessage>) {
        if let Some(publish) = publish {
            let (id, key, ttl) = (
                publish.message_id.as_ref(),
                publish.correlation_key.as_ref(),
                publish.time_to_live.as_ref(),
            );
            self.zeebe(
                "publishMessage",
                &[
                    ("messageId", id),
                    ("correlationKey", key),
                    ("timeToLive", ttl),
                ],
            );
        }
    }

    fn agent(&mut self, agent_type: Option<&String>) {
        if let Some(agent_type) = agent_type {
            self.start_of(Some(ZEEBE), "agentDefinition");
            self.attribute("agentType", agent_type);
            self.end();
        }
    }

    fn user_task(&mut self, user: &UserTask) {
        if user.native {
            self.zeebe("userTask", &[]);
        }
        self.job(user.job.as_ref());
        self.form(user.form.as_ref());
        if let Some(Assignment {
            assignee,
            candidate_groups,
            candidate_users,
        }) = &user.assignment
        {
            let (groups, users) = (candidate_groups.as_ref(), candidate_users.as_ref());
            self.zeebe(
                "assignmentDefinition",
                &[
                    ("assignee", assignee.as_ref()),
                    ("candidateGroups", groups),
                    ("candidateUsers", users),
                ],
            );
        }
        if let Some(Schedule {
            due_date,
            follow_up_date,
        }) = &user.schedule
        {
            self.zeebe(
                "taskSchedule",
                &[
                    ("dueDate", due_date.as_ref()),
                    ("followUpDate", follow_up_date.as_ref()),
                ],
            );
        }
        if user.priority.is_some() {
            self.zeebe(
                "priorityDefinition",
                &[("priority", user.priority.as_ref())],
            );
        }
    }

    fn form(&mut self, form: Option<&FormLink>) {
        let Some(form) = form else { return };
        self.start_of(Some(ZEEBE), "formDefinition");
        self.some("formKey", form.form_key.as_ref().map(Text::to_string));
        self.some("formId", form.form_id.as_ref().map(Text::to_string));
        self.some(
            "externalReference",
            form.external_reference.as_ref().map(Text::to_string),
        );
        self.binding(&form.binding);
        self.end();
    }

    fn called(&mut self, called: Option<&CalledElement>) {
        let Some(called) = called.filter(|called| !called.standard) else {
            return;
        };
        self.start_of(Some(ZEEBE), "calledElement");
        self.attribute("processId", &called.process_id.to_string());
        self.flag(
            "propagateAllChildVariables",
            called.propagate_all_child_variables,
            true,
        );
        self.flag(
            "propagateAllParentVariables",
            called.propagate_all_parent_variables,
            true,
        );
        self.some(
            "businessId",
            called.business_id.as_ref().map(Text::to_string),
        );
        self.binding(&called.binding);
        self.end();
    }

    fn decision(&mut self, decision: Option<&CalledDecision>) {
        let Some(decision) = decision else { return };
        self.start_of(Some(ZEEBE), "calledDecision");
        self.attribute("decisionId", &decision.decision_id.to_string());
        self.attribute("resultVariable", &decision.result_variable);
        self.binding(&decision.binding);
        self.end();
    }

    fn binding(&mut self, binding: &Binding) {
        match binding {
            Binding::Latest => {}
            Binding::Deployment => self.attribute("bindingType", "deployment"),
            Binding::VersionTag(tag) => {
                self.attribute("bindingType", "versionTag");
                self.attribute("versionTag", &tag.to_string());
            }
        }
    }

    fn mappings(&mut self, element: &Element) {
        if element.inputs.is_empty() && element.outputs.is_empty() {
            return;
        }
        self.start_of(Some(ZEEBE), "ioMapping");
        for (name, mappings) in [("input", &element.inputs), ("output", &element.outputs)] {
            for mapping in mappings {
                self.start_of(Some(ZEEBE), name);
                self.attribute("source", &mapping.source.to_string());
                self.attribute("target", &mapping.target);
                self.end();
            }
        }
        self.end();
    }

    fn headers(&mut self, list: &str, headers: &[Header]) {
        if headers.is_empty() {
            return;
        }
        self.start_of(Some(ZEEBE), list);
        for header in headers {
            self.start_of(Some(ZEEBE), "header");
            self.some("id", header.id.as_ref());
            self.attribute("key", &header.key);
            self.attribute("value", &header.value);
            self.end();
        }
        self.end();
    }

    pub(super) fn listeners(&mut self, listeners: &[ExecutionListener]) {
        if listeners.is_empty() {
            return;
        }
        self.start_of(Some(ZEEBE), "executionListeners");
        for listener in listeners {
            let event = match listener.event {
                ListenerEvent::Start => "start",
                ListenerEvent::End => "end",
                ListenerEvent::BeforeAll => "beforeAll",
                ListenerEvent::Cancel => "cancel",
            };
            self.listener("executionListener", event, &listener.job, &listener.headers);
        }
        self.end();
    }

    fn task_listeners(&mut self, element: &Element) {
        if element.task_listeners.is_empty() {
            return;
        }
        self.start_of(Some(ZEEBE), "taskListeners");
        for listener in &element.task_listeners {
            let event = match listener.event {
                TaskListenerEvent::Creating => "creating",
                TaskListenerEvent::Assigning => "assigning",
                TaskListenerEvent::Updating => "updating",
                TaskListenerEvent::Completing => "completing",
                TaskListenerEvent::Canceling => "canceling",
            };
            self.listener("taskListener", event, &listener.job, &listener.headers);
        }
        self.end();
    }

    fn listener(&mut self, name: &str, event: &str, job: &JobDefinition, headers: &[Header]) {
        self.start_of(Some(ZEEBE), name);
        self.attribute("eventType", event);
        self.attribute("type", &job.job_type.to_string());
        self.some("retries", job.retries.as_ref().map(Text::to_string));
        self.headers("taskHeaders", headers);
        self.end();
    }

    fn linked_resources(&mut self, element: &Element) {
        if element.linked_resources.is_empty() {
            return;
        }
        self.start_of(Some(ZEEBE), "linkedResources");
        for resource in &element.linked_resources {
            self.start_of(Some(ZEEBE), "linkedResource");
            self.attribute("resourceId", &resource.resource_id.to_string());
            self.some("resourceType", resource.resource_type.as_ref());
            self.some("linkName", resource.link_name.as_ref());
            self.binding(&resource.binding);
            self.end();
        }
        self.end();
    }

    pub(super) fn properties(&mut self, properties: &[Property]) {
        if properties.is_empty() {
            return;
        }
        self.start_of(Some(ZEEBE), "properties");
        for property in properties {
            self.start_of(Some(ZEEBE), "property");
            self.attribute("name", &property.name);
            self.attribute("value", &property.value);
            self.end();
        }
        self.end();
    }
}
