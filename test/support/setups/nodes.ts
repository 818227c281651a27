process.env["SETUP"] = "nodes";
