select name, value from database_marks;
