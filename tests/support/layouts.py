"""A computed project in the layouts that git repositories have."""

import shutil

from tracking import git

LAYOUTS = ("subfolder", "linked worktree", "submodule", "shallow clone")
WITHOUT_GIT = shutil.ignore_patterns(".git")


def place(layout, source, folder):
    """Put a copy of the project `source`, with what git ignores, into `folder`; return where it is."""
    folder.mkdir()
    main = folder / "main"
    if layout == "subfolder":
        git(folder, "init", "--quiet", "--initial-branch=main", "main")
        project = shutil.copytree(source, main / "packages" / "a project", ignore=WITHOUT_GIT)
        git(main, "add", "--all")
        git(main, "commit", "--quiet", "--message", "A monorepo")
        return project
    shutil.copytree(source, main)
    project = folder / "another place"
    if layout == "plain checkout":
        return main
    if layout == "linked worktree":
        git(main, "worktree", "add", "--quiet", "-b", "linked", project)
    elif layout == "shallow clone":
        git(folder, "clone", "--quiet", "--depth=1", main.as_uri(), project)
    elif layout == "submodule":
        git(folder, "init", "--quiet", project)
        local = ("-c", "protocol.file.allow=always")
        git(project, *local, "submodule", "--quiet", "add", main, "sub")
        project = project / "sub"
    return shutil.copytree(source, project, ignore=WITHOUT_GIT, dirs_exist_ok=True)
