package ashby

import "errors"

// DecodeJob reads a job. One that does not say whether it is confidential is ErrMalformed.
func DecodeJob(raw []byte) (Job, error) {
	return decode(raw, "job", jobFrom)
}

func jobFrom(o object) (Job, error) {
	id, err := o.id()
	if err != nil {
		return Job{}, err
	}
	status, err := o.strictText("status")
	if err != nil {
		return Job{}, err
	}
	confidential, err := o.strictFlag("confidential")
	if err != nil {
		return Job{}, err
	}
	if confidential == nil { // it decides what the public may see: silence is no permission
		return Job{}, errors.New("confidential is missing")
	}
	return Job{
		ID: id, Title: o.text("title"), Status: status, Confidential: *confidential,
		EmploymentType: o.text("employmentType"), LocationID: o.text("locationId"), DepartmentID: o.text("departmentId"),
		JobPostingIDs: o.texts("jobPostingIds"), UpdatedAt: o.instant("updatedAt"),
	}, nil
}
