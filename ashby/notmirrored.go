package ashby

// NotMirrored returns the reading methods that the catalogue leaves out, each with its reason. With the catalogue it
// names every method of Ashby's that lists or shows something. The caller owns the answer.
func NotMirrored() map[string]string {
	const (
		search   = "finds some of the objects that the list of the same kind gives whole"
		provider = "answered by a provider of assessments when Ashby asks; Ashby itself does not answer it"
		report   = "computes a table of Ashby's own; it holds nothing that has an id and could be kept up to date"
	)
	return map[string]string{
		"apiKey.info":   "tells of the key itself; Client.APIKeyInfo reads it for the report on permissions",
		"webhook.info":  "shows one of the webhook settings, which have no list; Client.Webhook reads those made by the API",
		"version.list":  "tells of the API itself",
		"auditLog.list": "a closed beta that needs a permission beyond every module's, and shows confidential objects",

		"candidate.search": search,
		"job.search":       search,
		"opening.search":   search,
		"project.search":   search,
		"user.search":      search,

		"report.generate":    report,
		"report.synchronous": report,

		"assessment.list":             provider,
		"assessment.customField.list": provider,

		"emailSender.list":         "tells from which addresses Ashby sends mail, and nothing of the hiring",
		"file.info":                "gives a passing link to a file; the handle of the file is in the mirrored object",
		"interviewBriefing.info":   "puts together the application, candidate, event and form that are mirrored one by one",
		"notetakerTranscript.info": "needs an id that no list gives, and a permission of its own",
	}
}
