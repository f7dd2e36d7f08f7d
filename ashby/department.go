package ashby

// DecodeDepartment reads a department or team.
func DecodeDepartment(raw []byte) (Department, error) {
	return decode(raw, "department", departmentFrom)
}

func departmentFrom(o object) (Department, error) {
	id, err := o.id()
	if err != nil {
		return Department{}, err
	}
	return Department{
		ID: id, Name: o.text("name"), ExternalName: o.text("externalName"), ParentID: o.text("parentId"),
		IsArchived: o.isTrue("isArchived"),
	}, nil
}
