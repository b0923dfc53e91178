/* The tables of views.h. */
#include "api/views.h"

KR_DEFINE(kr_named_data, KR_NAMED_DATA_FIELDS, "a data set with its name");
KR_DEFINE(kr_dataset_view, KR_DATASET_FIELDS, "a stored data set");
KR_DEFINE(kr_links, KR_LINKS_FIELDS, "paths of a job");
KR_DEFINE(kr_problem_entry, KR_PROBLEM_ENTRY_FIELDS, "one place of a problem");
KR_DEFINE(kr_problem_view, KR_PROBLEM_FIELDS, "a problem (RFC 9457)");
KR_DEFINE(kr_job_view, KR_JOB_FIELDS, "a tuning job");
KR_DEFINE(kr_dataset_page, KR_DATASET_PAGE_FIELDS, "a page of data sets");
KR_DEFINE(kr_job_page, KR_JOB_PAGE_FIELDS, "a page of jobs");
KR_DEFINE(kr_model_entry, KR_MODEL_ENTRY_FIELDS, "a model in a list");
KR_DEFINE(kr_model_page, KR_MODEL_PAGE_FIELDS, "a page of models");
KR_DEFINE(kr_health_view, KR_HEALTH_FIELDS, "health");
KR_DEFINE(kr_event_view, KR_EVENT_FIELDS, "an event of a job, as a line of JSON");
