"""docs/faults.md lists the tests of faults that there are."""

import faults_page


def test_the_page_of_faults_is_up_to_date():
    assert faults_page.PAGE.read_text() == faults_page.page()
